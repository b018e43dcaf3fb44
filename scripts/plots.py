"""What the pictures of the scripts share."""

from matplotlib.axis import Axis
from matplotlib.ticker import LogLocator, NullFormatter


def log_ticks(axis: Axis) -> None:
    """Marks 1, 2, 5, 10 … of a logarithmic axis with plain numbers."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(NullFormatter())

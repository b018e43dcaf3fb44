"""Python's collector of garbage. Nothing here imports TensorFlow."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """A context in which cycles of objects are not looked for.

    It is for what makes very many objects that stay, such as an import of TensorFlow or the building of a graph. To look at
    all of them again and again, and find next to nothing, took a tenth of that time and more.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()

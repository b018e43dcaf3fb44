"""The macro search space as the shared loops see it; see `enas/spaces.py`."""

from enas.classification import task
from enas.macro import arc, child, config, controller

__all__ = ["arc", "child", "config", "controller", "task"]

"""The micro search space as the shared loops see it; see `enas/spaces.py`."""

from enas.classification import task
from enas.micro import arc, child, config, controller, cost
from enas.micro.diagram import picture

__all__ = ["arc", "child", "config", "controller", "cost", "picture", "task"]

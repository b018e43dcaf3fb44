"""The micro search space as the shared loops see it: three modules. Other spaces have the same three."""

from enas.micro import arc, child, controller

__all__ = ["arc", "child", "controller"]

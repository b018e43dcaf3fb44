"""The recurrent search space as the shared loops see it; see `enas/spaces.py`."""

from enas.rnn import arc, child, config, controller
from enas.rnn import language as task

__all__ = ["arc", "child", "config", "controller", "task"]

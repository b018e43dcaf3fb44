"""The micro space keeps what every search space promises."""

from space_contract import SpaceContract

from enas.micro.config import SweepConfig
from enas.micro.space import SPACE


class TestMicroSpace(SpaceContract):
    space = SPACE
    more_configs = (SweepConfig,)

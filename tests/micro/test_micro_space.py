"""The micro space keeps what every search space promises."""

from space_contract import SpaceContract

from enas.micro.space import SPACE


class TestMicroSpace(SpaceContract):
    space = SPACE

"""The recurrent space keeps what every search space promises."""

from space_contract import SpaceContract

from enas.rnn.space import SPACE


class TestRnnSpace(SpaceContract):
    space = SPACE

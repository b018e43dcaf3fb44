import pytest
from made_up_worlds import World


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A run that nothing stops, no limit either: (outcome, its moments)."""
    world = World(tmp_path_factory.mktemp("alone"))
    return world.outcome(), world.moments

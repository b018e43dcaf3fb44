"""The collector of garbage rests in a context, and then does what it did before."""

import gc

import pytest

from enas import collector


@pytest.mark.parametrize("running", [True, False])
def test_the_collector_rests_and_is_as_before_whatever_happens(running):
    before = gc.isenabled()
    (gc.enable if running else gc.disable)()
    try:
        with pytest.raises(ZeroDivisionError), collector.paused():
            with collector.paused():
                assert not gc.isenabled()
            assert not gc.isenabled()
            raise ZeroDivisionError
        assert gc.isenabled() == running
    finally:
        (gc.enable if before else gc.disable)()

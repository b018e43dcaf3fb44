import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enas.errors import UserError
from enas.rnn import windows

EOS = 1000


@given(st.integers(1, 60), st.integers(1, 7), st.integers(1, 9))
def test_a_whole_text_has_every_token_as_a_target_once_after_its_predecessor(length, streams, steps):
    tokens = np.arange(length, dtype=np.int32)
    cut = windows.Windows(tokens, EOS, streams, steps, whole=True)
    parts = [cut[number] for number in range(cut.count)]
    inputs, targets, weights = (np.concatenate([part[i] for part in parts], axis=1) for i in range(3))
    counts = weights == 1
    assert targets[counts].tolist() == tokens.tolist()
    assert inputs[counts].tolist() == [EOS, *tokens[:-1]]
    assert weights.sum() == length and inputs.dtype == targets.dtype == np.int32


@given(st.integers(1, 200), st.integers(1, 7), st.integers(1, 9))
def test_training_windows_are_full_and_each_goes_on_where_the_last_ended(length, streams, steps):
    tokens = np.arange(length, dtype=np.int32)
    if length < streams * steps:
        with pytest.raises(UserError, match=f"--batch_size={streams}.*more than the {length} there are for training"):
            windows.of_training(tokens, EOS, streams, steps)
        return
    cut = windows.of_training(tokens, EOS, streams, steps)
    assert cut.count == length // streams // steps
    before = None
    for number in range(cut.count):
        inputs, targets, weights = cut[number]
        assert inputs.shape == targets.shape == (streams, steps) and weights.all()
        assert np.array_equal(inputs[:, 1:], targets[:, :-1])
        assert before is None or np.array_equal(inputs[:, 0], before)
        before = targets[:, -1]

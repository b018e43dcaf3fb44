"""The check of exported files: what passes, what doesn't, and what a refused file leaves behind."""

import numpy as np
import pytest

from enas.errors import UserError
from enas.export import packed, verify
from quantize.runtime.model import packed_file

LABELS = np.arange(2000) % 4


def logits(sure=5.0):
    return np.eye(4, dtype=np.float32)[LABELS] * np.float32(sure)


def passed(change, moved_change=lambda x: x):
    return verify.compare(LABELS, logits(), moved_change(logits()), change(logits())).passed


def flipped(count):
    """Gives the first images another class, by logits that are hardly different."""

    def change(x):
        x = np.where(np.arange(len(x))[:, None] < 100, np.float32(0), x)
        x[np.arange(100), LABELS[:100]] = 1e-4
        x[np.arange(count), (LABELS[:count] + 1) % 4] = 2e-4
        return x

    return change


def first_moved(count, far):
    """Moves the logits of the first images, not their classes."""
    return lambda x: x + np.where(np.arange(len(x)) < count, np.float32(far), np.float32(0))[:, None]


def test_rounding_passes_and_a_thousandth_of_the_largest_logit_is_the_limit():
    assert passed(first_moved(2000, 0.004))
    assert not passed(first_moved(2000, 0.006))


def test_one_image_in_a_hundred_may_get_other_logits_and_four_times_as_many_as_moved_ones_do():
    for found, moves, fits in ((20, 0, True), (21, 0, False), (32, 3, True), (33, 3, False)):
        assert passed(first_moved(found, 100.0), first_moved(moves, 0.1)) == fits, (found, moves)


def test_one_image_in_a_thousand_may_get_another_class_and_twice_as_many_as_moved_ones_do():
    near = flipped(0)(logits())
    for flips, moves, fits in ((2, 0, True), (3, 0, False), (8, 3, True), (9, 3, False)):
        found = verify.compare(LABELS, near, flipped(moves)(logits()), flipped(flips)(logits()))
        assert found.passed == fits, (flips, moves)
        assert found.different_classes == flips


def test_what_is_not_finite_never_passes():
    assert not passed(lambda x: np.where(x > 0, np.float32(np.nan), x))


@pytest.fixture(scope="module")
def child(run_directory):
    from enas.export import trained

    return trained.load(str(run_directory))


def test_a_trained_child_passes_on_a_thousand_images(child, tmp_path):
    path = str(tmp_path / "child.packed")
    packed.write(child.network, path)
    found = verify.check(child, path)
    assert found.images >= 1000 and found.passed
    assert found.accuracies[0] > 0.8
    assert packed_file.load(path) == child.network


def test_a_file_with_one_wrong_scale_is_refused(child, tmp_path):
    import dataclasses

    from quantize.runtime.model.operations import Operation, Tensor

    operations = list(child.network.operations)
    at = max(i for i, operation in enumerate(operations) if operation.kind == "conv")
    scale = operations[at].tensors["scale"]
    changed = {**operations[at].tensors, "scale": Tensor(scale.dtype, -scale.array)}
    operations[at] = Operation("conv", operations[at].inputs, changed)
    packed.write(dataclasses.replace(child.network, operations=tuple(operations)), str(tmp_path / "wrong"))
    with pytest.raises(UserError, match="computes something else than the TensorFlow graph"):
        verify.check(child, str(tmp_path / "wrong"))


def test_a_damaged_file_is_refused_by_the_fresh_process(child, tmp_path):
    packed.write(child.network, str(tmp_path / "cut"))
    data = (tmp_path / "cut").read_bytes()
    (tmp_path / "cut").write_bytes(data[:-1])
    with pytest.raises(UserError, match="can't be run: .*checksum does not match"):
        verify.check(child, str(tmp_path / "cut"))

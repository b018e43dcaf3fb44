"""Steps of several workers, which are real processes, compared with each other and with the steps of one process."""

import numpy as np
import pytest

from tests.distributed.processes import ARC, CHILD, started, well_ended, workers

PROGRAM = "tests/distributed/stepping.py"
PLAIN = (*CHILD, "--child_drop_path_keep_prob=1.0", "--child_keep_prob=1.0", f"--child_fixed_arc={ARC}")
STEPS = 3


@pytest.fixture
def trained(tmp_path):
    """A function that trains as one process or several; returns for each {variable: values} after each step."""

    def run(flags, count, poisoned=-1, batch=8):
        files = [tmp_path / f"{number}.npz" for number in range(count)]
        given = [*flags, f"--steps={STEPS}", f"--poisoned={poisoned}", f"--batch_size={batch}"]
        if count == 1:
            well_ended([started(PROGRAM, [*given, f"--output={files[0]}"])])
        else:
            well_ended(workers(PROGRAM, given, count, lambda index: [f"--output={files[index]}"]))
        return [_steps(np.load(file)) for file in files]

    return run


def _steps(found):
    names = [name.partition(":")[2] for name in found.files if name.startswith("0:")]
    return [{name: found[f"{step}:{name}"] for name in names} for step in range(STEPS)]


def assert_identical(one, other):
    for step, (values, others) in enumerate(zip(one, other, strict=True)):
        different = [name for name in values if values[name].tobytes() != others[name].tobytes()]
        assert not different, (step, different)


def largest_difference(one, other):
    """Of all variables after all steps, in units of each variable's largest value."""
    return max(
        np.abs(values[name] - others[name]).max() / (np.abs(others[name]).max() + 1e-6)
        for values, others in zip(one, other, strict=True)
        for name in values
    )


@pytest.mark.parametrize(
    "flags",
    [
        ("--child_scheme=fp32",),
        pytest.param(("--child_scheme=fp32", "--child_use_aux_heads"), marks=pytest.mark.slow),
        pytest.param(
            ("--child_scheme=fp32", "--child_recipe=published", "--child_clip_mode=global"), marks=pytest.mark.slow
        ),
    ],
)
def test_two_workers_with_batch_norm_in_common_do_the_steps_of_one_with_twice_the_batch(trained, flags):
    both = trained([*PLAIN, *flags, "--sync_batch_norm"], 2, batch=8)
    [alone] = trained([*PLAIN, *flags], 1, batch=16)
    assert_identical(*both)
    assert largest_difference(both[0][:1], alone[:1]) < 1e-3
    # Sums in another order turn a ReLU here and there, how many depends on the processor.
    assert largest_difference(both[0], alone) < 0.05
    assert largest_difference(alone[1:], alone[:-1]) > 0.2  # not because nothing moved


@pytest.mark.slow
def test_workers_with_batch_norms_of_their_own_hold_the_same_weights_all_the_same(trained):
    first, second = trained([*PLAIN, "--child_scheme=fp32"], 2, batch=8)
    [alone] = trained([*PLAIN, "--child_scheme=fp32"], 1, batch=16)
    assert_identical(first, second)
    assert largest_difference(first, alone) > 1e-2


SEARCHES = [("--child_scheme=k4",), ("--space=macro", "--child_num_layers=3", "--child_scheme=binary")]


@pytest.mark.slow
@pytest.mark.parametrize("flags", SEARCHES)
def test_workers_of_a_search_train_on_arcs_of_their_own_and_hold_the_same_weights(trained, flags):
    search = [*CHILD, *flags, "--search"]
    first, second = trained(search, 2)
    assert_identical(first, second)
    # One worker alone has the first one's arcs and images, and trains other rows of the banks.
    [alone] = trained(search, 1)
    moved = [name for name in alone[0] if alone[0][name].tobytes() != first[0][name].tobytes()]
    assert len(moved) > len(alone[0]) / 4


@pytest.mark.slow
@pytest.mark.parametrize("flags", SEARCHES)
def test_workers_of_a_search_repeat_bit_for_bit(trained, flags):
    search = [*CHILD, *flags, "--search"]
    assert_identical(trained(search, 2)[0], trained(search, 2)[0])


def test_an_overflow_of_float16_on_one_worker_skips_the_step_on_all(trained):
    flags = [*PLAIN, "--child_scheme=fp16"]
    first, second = trained(flags, 2, poisoned=1)
    assert_identical(first[:1], second[:1])
    counted = {"global_step", "optimizer/skipped_steps", "optimizer/loss_scale", "optimizer/good_steps"}
    before, after, later = first
    assert {name for name in after if after[name].tobytes() != before[name].tobytes()} == counted
    for found in (first, second):
        assert [int(values["optimizer/skipped_steps"]) for values in found] == [0, 1, 2]
        assert found[1]["optimizer/loss_scale"] * 2 == found[0]["optimizer/loss_scale"]
    assert later["optimizer/skipped_steps"] == 2  # worker 1 keeps its bad weights


@pytest.mark.parametrize(
    "flags", [("--child_scheme=k4", "--search"), ("--child_scheme=fp32", f"--child_fixed_arc={ARC}")]
)
@pytest.mark.slow
def test_two_towers_of_one_process_do_the_steps_of_two_workers(trained, flags):
    flags = [*CHILD, *flags]
    [towers] = trained([*flags, "--towers=2"], 1)
    two_workers, _ = trained(flags, 2)
    assert set(towers[0]) == set(two_workers[0])
    assert largest_difference(towers, two_workers) < 1e-4

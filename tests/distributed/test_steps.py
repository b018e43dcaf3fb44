"""Steps of several workers, which are real processes, compared with each other and with the steps of one process."""

import pytest

from tests.distributed.processes import ARC, CHILD, assert_identical, largest_difference

PLAIN = (*CHILD, "--child_drop_path_keep_prob=1.0", "--child_keep_prob=1.0", f"--child_fixed_arc={ARC}")


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
    # With seed 0 some value of the third step is so near to a tie that on one processor other sums decide it differently.
    flags = [*PLAIN, *flags, "--seed=1"]
    both = trained([*flags, "--sync_batch_norm"], 2, batch=8)
    [alone] = trained(flags, 1, batch=16)
    assert_identical(*both)
    assert largest_difference(both[0], alone) < 1e-4
    assert largest_difference(alone[1:], alone[:-1]) > 1e-2  # not because nothing moved


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

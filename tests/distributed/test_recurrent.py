"""The recurrent space in several workers, which are real processes: their steps, and going on with another number."""

import json
import signal

import numpy as np
import pytest

from tests.distributed.processes import (
    addresses,
    assert_identical,
    ended,
    killed_when,
    largest_difference,
    scored,
    started,
    weights,
    well_ended,
    workers,
)
from tests.helpers.mains import records

CELL = ("--space=rnn", "--child_rhn_depth=3", "--child_lstm_hidden_size=8", "--child_bptt_steps=10")
TEXT = ("--max_train_tokens=2000", "--max_valid_tokens=400", "--max_test_tokens=300")
WITHOUT_DROPOUT = tuple(f"--child_lstm_{name}_keep=1.0" for name in "exho")
ARC = "--child_fixed_arc=0 0 1 1 2"
SEARCH = (*CELL[1:], *TEXT, "--batch_size=4", "--controller_train_steps=2", "--controller_num_aggregate=2")


def moves(steps):
    """What the later steps change of the weights."""
    weights = [name for name in steps[0] if name.startswith("child/") and not name.endswith("_mean")]
    return [
        {name: 1e3 * (later[name] - earlier[name]) for name in weights}
        for earlier, later in zip(steps[:-1], steps[1:], strict=True)
    ]


@pytest.mark.parametrize("bound", ["0.01", pytest.param("1000", marks=pytest.mark.slow)])
def test_two_workers_do_the_steps_of_one_with_twice_the_streams(trained, bound):
    flags = [*CELL, *TEXT, *WITHOUT_DROPOUT, ARC, f"--child_grad_bound={bound}", "--child_average_start=0"]
    both = trained(flags, 2, batch=4)
    [alone] = trained(flags, 1, batch=8)
    assert_identical(*both)
    assert largest_difference(both[0], alone) < 1e-4
    # Weights hardly move, so that only their moves show whether the gradients' norm is the same.
    assert largest_difference(moves(both[0]), moves(alone)) < 1e-2
    assert alone[0]["carried_state"].shape == (8, 8) and np.all(np.any(alone[0]["carried_state"], axis=1))
    moved = [name for name in alone[0] if alone[0][name].tobytes() != alone[-1][name].tobytes()]
    assert {"child/embedding", "child/cell", "child/input", "carried_state"} <= set(moved)


def test_workers_of_a_search_train_on_arcs_of_their_own_and_hold_the_same_weights(trained):
    search = [*CELL, *TEXT, "--search"]
    first, second = trained(search, 2)
    assert_identical(first, second)
    [alone] = trained(search, 1)
    before, after = (values["child/shared_cell"] for values in first[:2])
    rows = np.any(before != after, axis=(1, 2)).sum()
    assert rows >= np.any(alone[0]["child/shared_cell"] != alone[1]["child/shared_cell"], axis=(1, 2)).sum() >= 3


@pytest.mark.slow
def test_a_search_goes_on_with_another_number_of_workers(tmp_path):
    flags = [*SEARCH, f"--output_dir={tmp_path}"]
    well_ended(workers("search_rnn.py", [*flags, "--num_epochs=1"]))
    assert len(records(tmp_path / "arcs.jsonl")) == 10
    out = well_ended([started("search_rnn.py", [*flags, "--num_epochs=2"])])
    assert "carried_state: starts anew, for the number of streams has changed" in out
    assert "going on with 1 batches a step (was 2), 50 steps an epoch" in out
    steps = [record["step"] for record in records(tmp_path / "metrics.jsonl") if record["kind"] == "child"]
    assert steps[-1] == 100
    assert len(records(tmp_path / "arcs.jsonl")) == 20


@pytest.mark.slow
def test_a_search_that_was_stopped_inside_an_epoch_goes_on_bit_for_bit(tmp_path):
    runs = [[*SEARCH, "--num_epochs=3", f"--output_dir={tmp_path / name}"] for name in ("whole", "stopped")]
    well_ended(workers("search_rnn.py", runs[0]))
    processes = workers("search_rnn.py", runs[1])
    killed_when(processes, 1, lambda: scored(tmp_path / "stopped") >= 3, signal.SIGTERM)
    assert [code for code, _, _ in ended(processes)] == [143, 143]
    well_ended(workers("search_rnn.py", runs[1]))
    assert weights(tmp_path / "whole") == weights(tmp_path / "stopped")


@pytest.mark.slow
def test_a_training_by_workers_that_tf_config_names_reports_what_one_does(tmp_path):
    flags = [*CELL, *TEXT, *WITHOUT_DROPOUT, ARC, "--num_epochs=1"]
    hosts = addresses(2)
    processes = []
    for index in range(2):
        told = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
        given = [*flags, "--batch_size=4", f"--output_dir={tmp_path / 'two'}"]
        processes.append(started("train_fixed_arc.py", given, {"TF_CONFIG": json.dumps(told)}))
    well_ended(processes)
    well_ended([started("train_fixed_arc.py", [*flags, "--batch_size=8", f"--output_dir={tmp_path / 'one'}"])])
    two, one = (json.loads((tmp_path / name / "results.json").read_text()) for name in ("two", "one"))
    assert two["test_perplexity"] == pytest.approx(one["test_perplexity"], rel=1e-4)

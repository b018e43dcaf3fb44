"""The mains of the macro space, run as a user runs them: as processes, on real digits."""

import json

import pytest
from mains import done, error, records

from enas.macro import arc

CHILD = ["--child_num_layers=4", "--child_out_filters=4", "--max_train_images=96", "--max_valid_images=40"]
ARC = "2  3 1  0 0 1  5 1 0 1"


def test_a_wrong_arc_or_space_is_told_at_once():
    wrong = error("train_fixed_arc.py", "--space=macro", "--child_num_layers=4", "--child_fixed_arc=0 0 0 0 0 0")
    assert wrong == "error: --child_num_layers=4: the arc has --child_num_layers=3; leave the flag out"
    wrong = error("train_fixed_arc.py", "--space=macro", "--child_fixed_arc=0 0 0 0 0")
    expected = "arc: expected integers (for layer i its op, then i - 1 skip bits), got 5"
    assert wrong == f"error: --child_fixed_arc: {expected}"
    wrong = error("train_fixed_arc.py", "--space=macro", "--child_num_layers=4", f"--child_fixed_arc=7{ARC[1:]}")
    assert wrong == "error: --child_fixed_arc: arc: integer 1 of 10 (op, layer 1) is 7, expected 0 to 5"
    assert error("train_fixed_arc.py", "--space=makro").startswith("error: --space=makro: expected one of macro, micro")
    told = "error: --child_num_cells: of the micro space alone (see docs/coming_from.md)"
    assert error("train_fixed_arc.py", "--space=macro", "--child_num_cells=3") == told
    assert error("search_macro.py", "--child_num_layers=2") == "error: --child_num_layers=2: expected at least 3"


def test_bad_numbers_stop_a_training_by_name(tmp_path):
    flags = [*CHILD, "--child_lr_max=1000", "--child_l2_reg=1", "--max_bad_steps=3", f"--child_fixed_arc={ARC}"]
    line = error("train_fixed_arc.py", "--space=macro", *flags, "--num_epochs=40", f"--output_dir={tmp_path}/run")
    assert "child step " in line and ": not finite: " in line and "a lower --child_lr_max" in line
    assert (tmp_path / "run" / "stdout").read_text().count("step skipped, nothing changed") >= 3


@pytest.mark.slow
def test_a_search_ends_in_an_arc_that_trains_and_is_evaluated_without_naming_the_space(tmp_path):
    small = [*CHILD, "--child_scheme=k4", "--num_epochs=1", "--log_every=2"]
    controller = ["--controller_train_steps=2", "--controller_num_aggregate=3"]
    search = done("search_macro.py", *small, *controller, f"--output_dir={tmp_path}/search")
    best = (tmp_path / "search" / "best_arc.txt").read_text()
    assert len(arc.parse(best).layers) == 4
    scored = records(tmp_path / "search" / "arcs.jsonl")
    assert len({record["arc"] for record in scored}) > 5
    assert "--space=macro --arc_file=" in search

    final = f"--output_dir={tmp_path}/final"
    arc_file = f"--arc_file={tmp_path}/search"
    assert "--space=micro: --arc_file=" in error("train_fixed_arc.py", "--space=micro", arc_file, final)
    # The run that the arc lies in is one of the macro space.
    done("train_fixed_arc.py", *small, arc_file, final)
    results = json.loads((tmp_path / "final" / "results.json").read_text())
    assert results["parameters"] > 0 and 0 <= results["test_accuracy"] <= 1
    again = done("train_fixed_arc.py", "--eval_only", final)
    assert f"test_accuracy: {results['test_accuracy']:.4f}" in again
    assert "holds a run of the macro space, expected micro" in error(
        "search_micro.py", f"--output_dir={tmp_path}/search"
    )


@pytest.mark.slow
def test_a_search_whose_arcs_choose_channels_ends_in_an_arc_that_trains(tmp_path):
    small = [
        *CHILD,
        "--nocontroller_search_whole_channels",
        "--num_epochs=1",
        "--log_every=2",
        "--child_double_filters",
    ]
    controller = ["--controller_train_steps=2", "--controller_num_aggregate=3"]
    done("search_macro.py", *small, *controller, f"--output_dir={tmp_path}/search")
    best = (tmp_path / "search" / "best_arc.txt").read_text()
    assert arc.parse(best, 4, whole_channels=False, filters=4)
    given = f"--arc_file={tmp_path}/search/best_arc.txt"
    done("train_fixed_arc.py", "--space=macro", *small, given, f"--output_dir={tmp_path}/final")

"""The mains, run as a user runs them: as processes, on real digits."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from mains import ROOT, error, records, run

from enas.costs.cost import readable

OTHER_OPS = ["avg_pool_3x3", "max_pool_3x3", "identity"]
ARC = "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"
SMALL = [
    "--child_num_layers=2",
    "--child_num_cells=2",
    "--child_out_filters=4",
    "--max_train_images=128",
    "--max_valid_images=40",
    "--log_every=2",
]
SEARCH = [*SMALL, "--num_epochs=2", "--controller_train_steps=2", "--controller_num_aggregate=3"]
SEARCH += ["--search_precision=binary,k4", "--child_op_table=conv_3x3,sep_conv_5x5,avg_pool_3x3,max_pool_3x3,identity"]
CELLS = "0 0 1 1 2 3 0 4 1 2 0 0 1 4 2 1"


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    """A finished search: (directory, output)."""
    out = tmp_path_factory.mktemp("search") / "run"
    process = run("search_micro.py", *SEARCH, "--child_scheme=k4", f"--output_dir={out}")
    assert process.returncode == 0, process.stderr
    return out, process.stdout


def test_search_writes_a_whole_run_directory(search):
    out, printed = search
    names = {
        "stdout",
        "config.json",
        "data.json",
        "metrics.jsonl",
        "arcs.jsonl",
        "best_arc.txt",
        "events",
        "checkpoints",
    }
    assert names <= set(os.listdir(out))
    assert (out / "stdout").read_text() == printed
    arcs = records(out / "arcs.jsonl")
    assert [record["epoch"] for record in arcs] == [1] * 10 + [2] * 10
    best = max(arcs, key=lambda record: (record["val_accuracy"], record["epoch"]))
    assert (out / "best_arc.txt").read_text().strip() == best["arc"]


def test_search_logs_in_the_known_format(search):
    printed = search[1]
    number = r"[-+0-9.e]+|nan"
    child = (
        rf"epoch = \d+ +ch_step = \d+ +loss = ({number}) +lr = ({number}) +\|g\| = ({number}) +"
        rf"tr_acc = \d+ */ *\d+ +mins = ({number})"
    )
    assert len(re.findall(child, printed)) == 4
    assert re.search(
        rf"ctrl_step = \d+ +loss = ({number}) +ent = ({number}) .*acc = ({number}) +bl = ({number})", printed
    )
    cells = re.findall(r"^\[([\d ]+)\]\n\[([\d ]+)\]\nval_acc = (0\.\d{4}|1\.0000)$", printed, re.MULTILINE)
    assert len(cells) == 20
    assert all(len(cell.split()) == 8 for pair in cells for cell in pair[:2])


def test_a_finished_search_is_extended_and_says_so(search, tmp_path):
    out = tmp_path / "longer"
    shutil.copytree(search[0], out)
    process = run("search_micro.py", *SEARCH, "--child_scheme=k4", f"--output_dir={out}", "--num_epochs=3")
    assert process.returncode == 0, process.stderr
    assert "resuming with --num_epochs=3 (was 2)" in process.stdout
    assert "resuming after epoch 2 of 3" in process.stdout
    assert process.stderr == ""
    assert records(out / "arcs.jsonl")[:20] == records(search[0] / "arcs.jsonl")
    assert [r["epoch"] for r in records(out / "arcs.jsonl")] == [1] * 10 + [2] * 10 + [3] * 10


def test_a_page_is_written_of_a_search(search, tmp_path):
    out = search[0]
    printed = run("report.py", "--output_dir", str(out), f"--page={tmp_path}/run.html")
    assert (printed.returncode, printed.stdout, printed.stderr) == (0, f"{tmp_path}/run.html\n", "")
    text = (tmp_path / "run.html").read_text()
    assert (out / "best_arc.txt").read_text().strip() in text and "sep_conv_5x5 binary" in text
    assert "expected the directory of a search" in error("report.py", f"--output_dir={tmp_path}")
    assert "--output_dir=''" in error("report.py")


def test_tensorboard_gets_the_settings_and_a_picture_of_each_new_best_arc(search):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    found = EventAccumulator(str(search[0] / "events"), {"images": 0})
    found.Reload()
    content = found.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    settings = metadata.parse_session_start_info_plugin_data(content).hparams
    stored = json.loads((search[0] / "config.json").read_text())
    assert settings["child_scheme"].string_value == "k4" and settings["augment"].bool_value is True
    assert settings["controller_train_steps"].number_value == 2
    assert set(settings) == set(stored) - {"format", "kind", "space", "ops"}
    arcs = records(search[0] / "arcs.jsonl")
    best = [max(arcs[: 10 * epoch], key=lambda r: (r["val_accuracy"], r["epoch"]))["epoch"] for epoch in (1, 2)]
    assert [image.step for image in found.Images("best_arc")] == sorted(set(best))
    assert all(image.encoded_image_string.startswith(b"\x89PNG") for image in found.Images("best_arc"))


def test_the_op_table_of_a_search_of_precision_goes_with_its_arcs(search, tmp_path):
    """config.json and the log say which id is which; training and drawing take it from the directory of the arc's file."""
    out, printed = search
    convolutions = [f"{kind} {scheme}" for kind in ("conv_3x3", "sep_conv_5x5") for scheme in ("binary", "k4")]
    assert json.loads((out / "config.json").read_text())["ops"] == [*convolutions, *OTHER_OPS]
    assert "ops: 0 conv_3x3 binary, 1 conv_3x3 k4, 2 sep_conv_5x5 binary" in printed
    ops = {op for record in records(out / "arcs.jsonl") for op in record["arc"].split()[1::2]}
    assert ops == set("0123456")
    flags = [*SMALL, f"--arc_file={out}/best_arc.txt", f"--output_dir={tmp_path}/final"]
    trained = run("train_fixed_arc.py", *flags, "--child_scheme=k4", "--num_epochs=1")
    assert trained.returncode == 0, trained.stderr
    stored = json.loads((tmp_path / "final" / "config.json").read_text())
    assert stored["search_precision"] == "binary,k4" and stored["child_op_table"].startswith("conv_3x3,")
    drawn = run("visualize_micro.py", f"--arc_file={out}/best_arc.txt", f"--output_dir={tmp_path}/cells")
    assert drawn.returncode == 0, drawn.stderr
    bitops = json.loads((tmp_path / "final" / "results.json").read_text())["bitops"]
    assert f"{readable(bitops)} bit operations" in (tmp_path / "cells" / "cells.dot").read_text(encoding="utf-8")
    message = error("train_fixed_arc.py", *flags, "--search_precision=k4,k8")
    assert "--search_precision=k4,k8" in message and "binary,k4" in message


def test_an_existing_run_with_other_flags_is_refused_and_kept(search):
    out = search[0]
    before = (out / "arcs.jsonl").read_bytes()
    message = error("search_micro.py", *SEARCH, "--child_scheme=k3", "--seed=9", f"--output_dir={out}")
    assert "--child_scheme=k3 (was k4)" in message and "--seed=9 (was 0)" in message
    assert (out / "arcs.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    "flag, words",
    [
        ("--child_lr_max=1000", ["child step ", "the gradient of child/", "a lower --child_lr_max"]),
        pytest.param(
            "--controller_temperature=1e-300",
            ["controller step ", "the gradient of controller/", "a lower --controller_lr"],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_bad_numbers_stop_a_search_and_never_reach_the_weights(flag, words, tmp_path):
    import numpy as np
    import tensorflow as tf

    flags = [*SEARCH, flag, "--max_bad_steps=3", "--checkpoint_every_minutes=0", f"--output_dir={tmp_path}/run"]
    message = error("search_micro.py", *flags, "--num_epochs=40")
    assert all(word in message for word in [*words, "3 such steps in a row (--max_bad_steps=3)"]), message
    assert len(re.findall("step skipped, nothing changed", (tmp_path / "run" / "stdout").read_text())) >= 3
    newest = max((tmp_path / "run" / "checkpoints").glob("last-*.json"), key=os.path.getmtime)
    reader = tf.train.load_checkpoint(str(newest.with_suffix("")))
    for name in reader.get_variable_to_shape_map():
        assert np.isfinite(reader.get_tensor(name)).all(), name


@pytest.mark.slow
def test_a_full_disk_stops_a_search_and_once_there_is_room_it_goes_on(search, tmp_path):
    """No file may grow beyond 300 kB, which a checkpoint would."""
    flags = [*SEARCH, "--child_scheme=k4", f"--output_dir={tmp_path}/run"]
    command = ["bash", "-c", 'ulimit -f 300; exec "$@"', "-", sys.executable, str(ROOT / "search_micro.py"), *flags]
    full = subprocess.run(command, capture_output=True, text=True, timeout=500, cwd=ROOT, check=False)
    assert full.returncode == 2
    assert re.fullmatch(
        "error: .*/checkpoints/last-1: can't be written: .*; make room and run .* again to go on\n", full.stderr
    )
    done = run("search_micro.py", *flags)
    assert done.returncode == 0, done.stderr
    for name in ("arcs.jsonl", "metrics.jsonl", "best_arc.txt"):
        assert (tmp_path / "run" / name).read_bytes() == (search[0] / name).read_bytes()


def test_reset_deletes_only_runs(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    message = error("search_micro.py", *SEARCH, "--reset_output_dir", f"--output_dir={tmp_path}")
    assert "nothing was deleted" in message
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("scheme", ["fp16", "binary", pytest.param("fp32", marks=pytest.mark.slow)])
def test_training_and_evaluation_agree(scheme, tmp_path):
    flags = [*SMALL, "--num_epochs=1", f"--child_scheme={scheme}", "--child_use_aux_heads", "--cutout_size=2"]
    trained = run("train_fixed_arc.py", *flags, f"--fixed_arc={CELLS}", f"--output_dir={tmp_path}/run")
    assert trained.returncode == 0, trained.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    for name in ("parameters", "macs", "bitops", "model_bytes"):
        assert f"{name}: {results[name]}\n" in trained.stdout
    recalls = list(results["test_recall"].values())
    assert len(recalls) == 10 and results["test_balanced_accuracy"] == pytest.approx(sum(recalls) / 10)
    assert trained.stdout.rstrip().endswith(f"test_accuracy: {results['test_accuracy']:.4f}")
    evaluated = run("train_fixed_arc.py", "--eval_only", f"--output_dir={tmp_path}/run")
    assert evaluated.returncode == 0, evaluated.stderr
    assert evaluated.stdout.splitlines()[-2:] == trained.stdout.splitlines()[-2:]


@pytest.mark.slow
def test_a_found_arc_really_learns(tmp_path):
    flags = ["--child_num_layers=2", "--child_out_filters=8", "--num_epochs=8", "--child_scheme=k4"]
    flags += ["--child_drop_path_keep_prob=1.0", f"--child_fixed_arc={ARC}", f"--output_dir={tmp_path}/run"]
    assert run("train_fixed_arc.py", *flags).returncode == 0
    assert json.loads((tmp_path / "run" / "results.json").read_text())["test_accuracy"] > 0.95


@pytest.mark.parametrize(
    "main, flags, words",
    [
        ("search_micro.py", ["--dataset=mnist", "--data_dir=/nonexistent"], ["--data_dir", "/nonexistent"]),
        ("search_micro.py", ["--child_scheme=k9"], ["--child_scheme", "k9", "k8"]),
        (
            "search_micro.py",
            ["--child_op_table=conv_7x7,identity"],
            ["--child_op_table", "'conv_7x7' is no op", "conv_3x3"],
        ),
        ("search_micro.py", ["--num_epochs=0"], ["--num_epochs=0", "at least 1"]),
        ("search_micro.py", ["--loss_scale=big"], ["--loss_scale=big", "dynamic"]),
        ("search_micro.py", ["--controller_op_prior=1,2"], ["--controller_op_prior=1,2", "5 numbers"]),
        ("search_micro.py", ["--batch_size=5000"], ["--batch_size=5000", "images"]),
        ("search_micro.py", ["extra"], ["extra"]),
        ("train_fixed_arc.py", [], ["--child_fixed_arc", "--arc_file"]),
        ("train_fixed_arc.py", [f"--child_fixed_arc={ARC[:-2]}"], ["--child_fixed_arc", "multiple of 8", "got 39"]),
        ("train_fixed_arc.py", [f"--child_fixed_arc=0 5{ARC[3:]}"], ["is 5", "0 to 4"]),
        ("train_fixed_arc.py", [f"--child_fixed_arc=2{ARC[1:]}"], ["input index of node 2", "is 2", "0 to 1"]),
        ("train_fixed_arc.py", [f"--child_fixed_arc=x{ARC[1:]}"], ["word 1", "'x'", "integer"]),
        ("train_fixed_arc.py", ["--arc_file=/nonexistent"], ["--arc_file=/nonexistent"]),
        ("train_fixed_arc.py", ["--eval_only", "--output_dir=/nonexistent"], ["/nonexistent", "training run"]),
    ],
)
def test_bad_input_is_one_line_with_exit_code_2(main, flags, words, tmp_path):
    if not any(flag.startswith("--output_dir") for flag in flags):
        flags = [*flags, f"--output_dir={tmp_path}/run"]
    message = error(main, *flags)
    assert all(word in message for word in words), message
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_an_evaluation_trains_both_groups_resumes_and_reports(search, tmp_path):
    out = tmp_path / "evaluation"
    flags = [f"--search_dir={search[0]}", f"--output_dir={out}", "--num_arcs=4", "--num_seeds=1", "--num_epochs=1"]
    flags += ["--num_candidates=4", "--num_finalists=2", "--child_out_filters=2"]
    done = run("evaluate_search.py", *flags)
    assert done.returncode == 0, done.stderr
    report = json.loads((out / "report.json").read_text())
    assert [arc["group"] for arc in report["arcs"]] == ["controller"] * 2 + ["random"] * 2
    assert -1 <= report["kendall_tau"] <= 1 and 0 <= report["mann_whitney_p"] <= 1
    assert (out / "best_arc.txt").read_text().strip() == report["best_arc"] == report["arcs"][0]["arc"]
    assert "<svg" in (out / "report.html").read_text(encoding="utf-8")
    lost = sorted((out / "trainings").iterdir())[0]
    kept = sorted((out / "trainings").iterdir())[1] / "results.json"
    before = kept.stat().st_mtime_ns
    (lost / "results.json").unlink()
    again = run("evaluate_search.py", *flags)
    assert again.returncode == 0, again.stderr
    assert json.loads((out / "report.json").read_text()) == report
    assert kept.stat().st_mtime_ns == before

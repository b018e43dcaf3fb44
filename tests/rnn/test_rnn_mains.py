"""The mains of the recurrent space, run as a user runs them: as processes, on a part of the default text."""

import json
import os
import subprocess
import sys

import pytest
from mains import ROOT, error, records, run

PUBLISHED = "0 0 0 1 1 2 1 2 0 2 0 5 1 1 0 6 1 8 1 8 1 8 1"
TEXT = ["--max_train_tokens=3000", "--max_valid_tokens=500", "--max_test_tokens=300", "--log_every=2"]
CHILD = ["--child_lstm_hidden_size=8", "--batch_size=10", "--child_bptt_steps=20"]
SEARCH = [
    *TEXT,
    *CHILD,
    "--child_rhn_depth=3",
    "--num_epochs=2",
    "--controller_train_steps=2",
    "--controller_num_aggregate=3",
]
TRAIN = [
    "train_fixed_arc.py",
    "--space=rnn",
    *TEXT,
    *CHILD,
    "--child_lr=20",
    "--child_grad_bound=0.25",
    "--num_epochs=2",
]


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    """A finished search: (directory, output)."""
    out = tmp_path_factory.mktemp("search") / "run"
    process = run("search_rnn.py", *SEARCH, f"--output_dir={out}")
    assert process.returncode == 0, process.stderr
    return out, process.stdout


def test_search_writes_a_whole_run_directory(search):
    out, printed = search
    arcs = records(out / "arcs.jsonl")
    assert [record["epoch"] for record in arcs] == [1] * 10 + [2] * 10
    best = min(arcs, key=lambda record: (record["val_perplexity"], -record["epoch"]))
    assert (out / "best_arc.txt").read_text().strip() == best["arc"]
    assert f"best_val_perplexity: {best['val_perplexity']:.4f}" in printed
    assert f"train_fixed_arc.py --space=rnn --arc_file={out / 'best_arc.txt'}" in printed
    data = json.loads((out / "data.json").read_text())
    assert "<eos>" in data["words"] and len(data["crc32"]) == 3


def test_the_reward_is_the_constant_over_the_perplexity(search):
    metrics = records(search[0] / "metrics.jsonl")
    rewards = [record["reward"] for record in metrics if record["kind"] == "controller"]
    perplexities = [record["val_perplexity"] for record in records(search[0] / "arcs.jsonl")]
    # Of the same shared weights on the same text, if not of the same window.
    assert all(80 / (1.5 * max(perplexities)) < reward < 80 / (min(perplexities) / 1.5) for reward in rewards)
    trained = [record["train_perplexity"] for record in metrics if record["kind"] == "child"]
    assert trained[-1] < trained[0]


def test_a_search_that_goes_on_ends_like_one_that_never_stopped(search, tmp_path):
    flags = [*SEARCH, f"--output_dir={tmp_path / 'run'}"]
    first = run("search_rnn.py", *flags, "--num_epochs=1")
    assert first.returncode == 0, first.stderr
    resumed = run("search_rnn.py", *flags)
    assert resumed.returncode == 0, resumed.stderr
    assert "resuming after epoch 1 of 2" in resumed.stdout
    for name in ("arcs.jsonl", "best_arc.txt"):
        assert (tmp_path / "run" / name).read_text() == (search[0] / name).read_text()


def test_the_published_arc_trains_and_evaluates(tmp_path):
    arguments = [*TRAIN, "--child_average_start=1", f"--output_dir={tmp_path}/run"]
    trained = run(*arguments, f"--child_fixed_arc={PUBLISHED}")
    assert trained.returncode == 0, trained.stderr
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert f"test_perplexity: {results['test_perplexity']:.4f}\n" in trained.stdout
    vocabulary = len(json.loads((tmp_path / "run" / "data.json").read_text())["words"])
    assert results["parameters"] == results["macs"] == vocabulary * 8 + 13 * 8 * 16
    assert results["test_perplexity"] < 0.9 * vocabulary
    evaluated = run("train_fixed_arc.py", "--eval_only", f"--output_dir={tmp_path}/run")
    assert evaluated.returncode == 0, evaluated.stderr
    assert evaluated.stdout.splitlines()[-2:] == trained.stdout.splitlines()[-2:]


def test_bad_numbers_stop_a_training_by_name(tmp_path):
    flags = [*TEXT, *CHILD, "--child_lr=1e9", "--child_grad_bound=1e9", "--max_bad_steps=3", "--num_epochs=40"]
    line = error(
        "train_fixed_arc.py", "--space=rnn", *flags, f"--child_fixed_arc={PUBLISHED}", f"--output_dir={tmp_path}/run"
    )
    assert "child step " in line and ": not finite: " in line and "a lower --child_lr or --child_grad_bound" in line
    assert (tmp_path / "run" / "stdout").read_text().count("step skipped, nothing changed") >= 3


def test_the_baseline_trains_and_evaluates(tmp_path):
    trained = run(*TRAIN, "--baseline=lstm", f"--output_dir={tmp_path}/run")
    assert trained.returncode == 0, trained.stderr
    assert "arc: lstm" in trained.stdout
    evaluated = run("train_fixed_arc.py", "--eval_only", f"--output_dir={tmp_path}/run")
    assert evaluated.returncode == 0, evaluated.stderr
    assert evaluated.stdout.splitlines()[-2:] == trained.stdout.splitlines()[-2:]


@pytest.mark.parametrize(
    "main, flags, words",
    [
        ("search_rnn.py", ["--dataset=ptb", "--data_dir=/nonexistent"], ["--data_dir=/nonexistent", "download ptb"]),
        ("search_rnn.py", ["--child_lstm_o_keep=0"], ["--child_lstm_o_keep=0", "more than 0"]),
        ("search_rnn.py", ["--max_train_tokens=100"], ["--batch_size=20", "--child_bptt_steps=35", "700", "training"]),
        ("search_rnn.py", ["--max_valid_tokens=100"], ["--batch_size=20", "700", "validation"]),
        ("train_fixed_arc.py", ["--space=rnn"], ["--child_fixed_arc", "--arc_file"]),
        (
            "train_fixed_arc.py",
            ["--space=rnn", "--child_fixed_arc=0 0 1", "--child_rhn_depth=12"],
            ["--child_rhn_depth=12", "--child_rhn_depth=2"],
        ),
        ("train_fixed_arc.py", ["--space=rnn", "--baseline=lstm", "--fixed_arc=0"], ["--baseline=lstm", "drop"]),
        ("train_fixed_arc.py", ["--space=rnn", "--baseline=gru"], ["--baseline=gru", "none, lstm"]),
    ],
)
def test_bad_input_is_one_line_with_exit_code_2(main, flags, words, tmp_path):
    line = error(main, *flags, f"--output_dir={tmp_path}/run")
    assert all(word in line for word in words), line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("path", ["", os.environ["PATH"]])
def test_the_published_arc_is_drawn(tmp_path, path):
    command = [sys.executable, str(ROOT / "visualize_rnn.py"), *PUBLISHED.split()]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PATH": path}, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"outputs/rnn_cell/cell.{kind}" for kind in ("dot", "png", "svg")]
    assert all((tmp_path / line).stat().st_size > 500 for line in done.stdout.splitlines())
    drawn = (tmp_path / "outputs/rnn_cell/cell.dot").read_text(encoding="utf-8")
    edges = {
        tuple(line.split(" [")[0].split(" -> "))
        for line in drawn.splitlines()
        if " -> " in line and "invis" not in line
    }
    edges = {(a.strip().removeprefix("cell_"), b.strip().removeprefix("cell_")) for a, b in edges}
    sources = [0, 1, 2, 2, 2, 5, 1, 6, 8, 8, 8]
    expected = {(str(source), str(node)) for node, source in enumerate(sources, 1)} | {("x", "0"), ("h", "0")}
    expected |= {(str(end), "average") for end in (3, 4, 7, 9, 10, 11)} | {("average", "output")}
    assert edges == expected
    assert "2: ReLU" in drawn and "7: tanh" in drawn


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], ["no arc", "--arc_file"]),
        (PUBLISHED.split()[:22], ["2N - 1 integers", "got 22"]),
        ([PUBLISHED, "--arc_file=best_arc.txt"], ["--arc_file", "not both"]),
        (["--arc_file=missing.txt"], ["--arc_file=missing.txt", "No such file"]),
        ([PUBLISHED, "--output_dir=/dev/null/x"], ["--output_dir=/dev/null/x", "can't be written"]),
    ],
)
def test_a_mistake_in_drawing_is_one_line_and_code_2(arguments, words):
    done = run("visualize_rnn.py", *arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    assert all(word in done.stderr for word in words), done.stderr

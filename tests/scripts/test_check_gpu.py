"""The check of a GPU, on the CPU: what it says where there is none, what it measures, and that it tells right from wrong."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from scripts.gpu import check_gpu, searches, steps
from scripts.gpu.plan import Plan

SCRIPT = check_gpu.__file__
# No GPU, even where there is one.
WITHOUT = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
CHILD = {"batch_size": 4, "child_out_filters": 4, "child_num_layers": 2, "child_num_cells": 1}
TINY = Plan(
    schemes=("fp32", "fp16", "binary", "k4"),
    compared=CHILD,
    timed=CHILD,
    steps=2,
    timed_side=8,
    search={
        "child_out_filters": 4,
        "child_num_cells": 1,
        "num_epochs": 1,
        "controller_train_steps": 1,
        "controller_num_aggregate": 2,
        "max_train_images": 64,
        "max_valid_images": 32,
        "max_test_images": 32,
    },
    speedup=0.0,
)


def run(*flags):
    return subprocess.run([sys.executable, SCRIPT, *flags], env=WITHOUT, capture_output=True, text=True, check=False)


def test_without_a_gpu_it_says_so_in_a_line_and_exits_with_3(tmp_path):
    path = tmp_path / "figures.json"
    done = run(f"--json={path}")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("error: TensorFlow sees no GPU here; expected") and done.stderr.count("\n") == 1
    assert not path.exists()


def test_a_file_that_cannot_be_written_is_told_first():
    done = run("--json=/nowhere/figures.json")
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "/nowhere" in done.stderr


@pytest.mark.slow
def test_all_of_it_runs_and_what_it_writes_is_complete(tmp_path, monkeypatch):
    """On the CPU, which is then compared with itself."""
    monkeypatch.setattr(os, "environ", os.environ | {"CUDA_VISIBLE_DEVICES": "-1"})
    path = tmp_path / "figures.json"
    figures = check_gpu.check(TINY, str(path))
    assert json.loads(path.read_text()) == figures
    assert figures["ok"] and figures["machine"]["gpus"] == []
    for found in (figures["searches"]["as_it_is"], figures["searches"]["deterministic_ops"]):
        assert found["repeats"] and len(found["best_arc"].split()) == 8 and found["seconds_of_one"] > 0
    for scheme in TINY.schemes:
        found = figures["schemes"][scheme]
        assert found["loss"][0] == found["loss"][1] > 1
        assert found["loss_errors"] == found["gradient_errors"] == [0] * steps.BATCHES
        assert found["ok"] and found["ops"]["CPU"] > 1000
    assert figures["times"]["fp32"]["ms"] > 0 and figures["times"]["fp16"]["images_per_s"] > 0
    assert figures["times"]["speedup"] == pytest.approx(figures["times"]["fp32"]["ms"] / figures["times"]["fp16"]["ms"])


EXPECTED = {"a/Momentum": np.array([3.0, 0.0]), "b/m": np.array([4.0])}
OFF = {"a/Momentum": np.array([3.0, 0.5]), "b/m": np.array([4.0])}  # by 0.5 of a norm of 5


def compared(monkeypatch, found, ops=None, gpu=False, scheme="fp32"):
    """What is said of a scheme whose steps, [(loss, moments)], are `found` where they should be those of a loss of 2."""
    answers = {"/cpu:0": ([(2.0, EXPECTED)] * len(found), {"CPU": 9}), "": (found, ops or {"CPU": 9})}
    monkeypatch.setattr(steps, "_first_steps", lambda _scheme, _plan, device: answers[device])
    monkeypatch.setattr(steps, "has_gpu", lambda: gpu)
    figures = steps.schemes(Plan(schemes=(scheme,)))
    assert figures["ok"] == figures[scheme]["ok"]
    return figures[scheme]


@pytest.mark.parametrize("scheme", ["fp32", "fp16", "k4"])
def test_gradients_that_are_off_are_told(monkeypatch, scheme):
    found = compared(monkeypatch, [(2.0, OFF)] * 3, scheme=scheme)
    assert found["gradient_errors"] == pytest.approx([0.1] * 3) and not found["ok"]


@pytest.mark.parametrize("loss, ok", [(2.0005, True), (2.1, False), (float("nan"), False)])
def test_a_loss_that_is_off_is_told(monkeypatch, loss, ok):
    assert compared(monkeypatch, [(loss, EXPECTED)] * 3)["ok"] == ok


@pytest.mark.parametrize("off, ok", [(1, True), (2, False)])
def test_a_quantizer_may_decide_otherwise_in_less_than_half_of_the_batches(monkeypatch, off, ok):
    assert compared(monkeypatch, [(2.1, OFF)] * off + [(2.0, EXPECTED)] * (3 - off), scheme="binary")["ok"] == ok


@pytest.mark.parametrize("ops, ok", [({"CPU": 100, "GPU": 3000}, True), ({"CPU": 3000, "GPU": 100}, False)])
def test_steps_that_ran_mostly_on_the_cpu_are_told(monkeypatch, ops, ok):
    assert compared(monkeypatch, [(2.0, EXPECTED)], ops, gpu=True)["ok"] == ok


def test_a_check_that_ends_in_an_exception_is_told_and_the_others_go_on(monkeypatch, tmp_path):
    def no_memory(_):
        raise MemoryError("out of memory")

    monkeypatch.setattr(searches, "check", no_memory)
    monkeypatch.setattr(steps, "schemes", lambda _: {"ok": True})
    monkeypatch.setattr(steps, "times", lambda _: {"speedup": 2.0, "ok": True})
    path = tmp_path / "figures.json"
    figures = check_gpu.check(TINY, str(path))
    assert figures["searches"]["error"] == "MemoryError: out of memory" and figures["times"]["speedup"] == 2.0
    assert figures["ok"] is False and json.loads(path.read_text())["ok"] is False


def test_a_search_that_fails_is_told_in_its_own_words():
    broken = Plan(search={"child_out_filters": 0})
    with pytest.raises(RuntimeError, match="search_micro.py ended with 2: .*--child_out_filters=0"):
        searches.check(broken)


def test_two_searches_that_differ_in_a_bit_of_a_variable_are_not_the_same(monkeypatch):
    import tensorflow.compat.v1 as tf

    weights = {"first": 1.0, "second": np.nextafter(np.float32(1), 2)}

    def search(output, _plan, _environment):
        os.makedirs(os.path.join(output, "checkpoints"))
        with tf.Graph().as_default(), tf.Session() as session:
            variable = tf.get_variable("w", [], tf.float32)
            variable.load(weights[os.path.basename(output)], session)
            tf.train.Saver().save(session, os.path.join(output, "checkpoints", "last-1"))
        for name, text in (("arcs.jsonl", "{}"), ("best_arc.txt", "0 1\n")):
            with open(os.path.join(output, name), "w", encoding="utf-8") as file:
                file.write(text)

    monkeypatch.setattr(searches, "_search", search)
    assert not searches.check(TINY)["as_it_is"]["repeats"]
    weights["second"] = 1.0
    assert searches.check(TINY)["as_it_is"]["repeats"]

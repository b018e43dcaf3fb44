"""Runs of several workers, which are real processes: really killed, stopped and started again."""

import json
import re
import signal
import subprocess
import time

import numpy as np
import pytest

from tests.distributed.processes import (
    ARC,
    CHILD,
    addresses,
    ended,
    killed_when,
    scored,
    started,
    weights,
    well_ended,
    workers,
)
from tests.helpers.mains import ROOT, records

SEARCH = (*CHILD, "--child_scheme=k4", "--batch_size=16", "--controller_train_steps=2", "--controller_num_aggregate=2")
TRAINING = (*CHILD, f"--child_fixed_arc={ARC}", "--batch_size=16")
# Of a killed process, whose connections break at once: three questions, and TensorFlow's own way out.
SOON = 30.0


@pytest.mark.parametrize("victim", [1, pytest.param(0, marks=pytest.mark.slow)])
def test_when_a_worker_is_killed_the_others_name_it_and_other_numbers_of_workers_go_on(tmp_path, victim):
    flags = [*SEARCH, f"--output_dir={tmp_path}"]
    processes = workers("search_micro.py", [*flags, "--num_epochs=50"])
    killed_when(processes, victim, lambda: scored(tmp_path) >= 12)
    since = time.monotonic()
    found = ended(processes)
    assert time.monotonic() - since < SOON
    code, _, err = found[1 - victim]
    assert code == 2 and re.search(
        rf"^error: worker {victim} at 127.0.0.1:\d+ is gone.*start all workers again", err, re.M
    )
    assert "Traceback" not in err
    kept = json.loads(max((tmp_path / "checkpoints").glob("last-*.json")).read_text())["facts"]["epoch"]
    assert kept >= 1
    epochs = kept + 1
    out = well_ended(workers("search_micro.py", [*flags, f"--num_epochs={epochs}"], 3))
    assert (
        f"resuming after epoch {kept} of {epochs}" in out
        and "going on with 3 batches a step (was 2), 26 steps an epoch" in out
    )
    steps = [record["step"] for record in records(tmp_path / "metrics.jsonl") if record["kind"] == "child"]
    assert steps[-1] == epochs * 26 and scored(tmp_path) == 10 * epochs


@pytest.mark.slow
def test_a_run_of_several_workers_goes_on_with_one(tmp_path):
    flags = [*SEARCH, f"--output_dir={tmp_path}"]
    well_ended(workers("search_micro.py", [*flags, "--num_epochs=1"]))
    out = well_ended([started("search_micro.py", [*flags, "--num_epochs=2"])])
    assert "going on with 1 batches a step (was 2), 80 steps an epoch" in out


@pytest.mark.slow
def test_a_worker_that_stands_still_ends_the_run_after_worker_timeout(tmp_path):
    flags = [*SEARCH, f"--output_dir={tmp_path}", "--num_epochs=50", "--worker_timeout=15"]
    processes = workers("search_micro.py", flags)
    killed_when(processes, 1, lambda: scored(tmp_path) >= 2, signal.SIGSTOP)
    since = time.monotonic()
    [(code, _, err)] = ended(processes[:1])
    assert 10 < time.monotonic() - since < 15 + SOON
    processes[1].kill()
    assert code == 2 and "error: worker 1 at" in err and "did not answer for 15 seconds" in err


@pytest.mark.slow
def test_a_signal_to_one_worker_stops_all_after_the_same_step_and_the_run_goes_on_bit_for_bit(tmp_path):
    runs = [[*SEARCH, "--num_epochs=3", f"--output_dir={tmp_path / name}"] for name in ("whole", "stopped")]
    well_ended(workers("search_micro.py", runs[0]))
    processes = workers("search_micro.py", runs[1])
    killed_when(processes, 1, lambda: scored(tmp_path / "stopped") >= 3, signal.SIGTERM)
    found = ended(processes)
    assert [code for code, _, _ in found] == [143, 143]
    assert (
        "worker 1 got a signal to stop" in found[0][1] and "checkpoint saved; run the same command again" in found[0][1]
    )
    well_ended(workers("search_micro.py", runs[1]))
    assert weights(tmp_path / "whole") == weights(tmp_path / "stopped")
    assert (tmp_path / "whole/arcs.jsonl").read_text() == (tmp_path / "stopped/arcs.jsonl").read_text()


@pytest.mark.slow
def test_a_time_limit_is_the_chiefs_and_ends_all(tmp_path):
    flags = [*TRAINING, "--num_epochs=500", "--max_minutes=0.1", f"--output_dir={tmp_path}"]
    assert "time is over" in well_ended(workers("train_fixed_arc.py", flags))
    assert (tmp_path / "results.json").exists()


def test_workers_with_other_flags_are_refused_by_the_flags_name(tmp_path):
    rates = lambda index: [f"--child_lr_max={0.05 * (1 + index)}"]  # noqa: E731
    processes = workers("train_fixed_arc.py", [*TRAINING, f"--output_dir={tmp_path / 'run'}"], own=rates)
    for code, _, err in ended(processes):
        assert code == 2 and re.search(
            "^error: --child_lr_max of worker 1 is not that of worker 0; expected", err, re.M
        ), err
    assert not list(tmp_path.glob("run/checkpoints/*"))


@pytest.mark.slow
def test_workers_with_other_data_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    import cv2

    for worker in range(2):
        for split in ("train", "valid", "test"):
            for name in ("a", "b"):
                folder = tmp_path / f"data{worker}" / split / name
                folder.mkdir(parents=True)
                for number in range(20):
                    cv2.imwrite(str(folder / f"{number}.png"), rng.integers(0, 255, (8, 8, 3), np.uint8))
    flags = [*TRAINING, "--dataset=folder", "--batch_size=4", f"--output_dir={tmp_path / 'run'}"]
    own = lambda index: [f"--data_dir={tmp_path}/data{index}"]  # noqa: E731
    for code, _, err in ended(workers("train_fixed_arc.py", flags, own=own)):
        assert code == 2 and "error: the data of worker 1 is not that of worker 0" in err, err


def test_a_worker_that_does_not_come_is_named_within_the_time_that_was_given(tmp_path):
    hosts = ",".join(addresses(2))
    flags = [*TRAINING, f"--worker_hosts={hosts}", "--worker_timeout=1", f"--output_dir={tmp_path / 'run'}"]
    [(code, _, err)] = ended([started("train_fixed_arc.py", flags)])
    assert (
        code == 2 and f"error: --worker_hosts: no answer from worker 1 at {hosts.split(',')[1]} within 1 seconds" in err
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_two_workers_with_one_index_are_refused(tmp_path):
    hosts = ",".join(addresses(2))
    flags = [*TRAINING, f"--worker_hosts={hosts}", "--worker_timeout=12", f"--output_dir={tmp_path / 'run'}"]
    found = ended([started("train_fixed_arc.py", [*flags, "--task_index=1"]) for _ in range(2)])
    assert [code for code, _, _ in found] == [2, 2]
    assert sum("another worker with this index, or another program, has the port" in err for _, _, err in found) == 1


@pytest.mark.slow
def test_tf_config_says_who_the_workers_are_and_the_chief_may_be_a_task_of_its_own(tmp_path):
    chief, worker = addresses(2)
    processes = []
    for kind in ("chief", "worker"):
        cluster = {"cluster": {"chief": [chief], "worker": [worker]}, "task": {"type": kind, "index": 0}}
        flags = [*TRAINING, "--num_epochs=1", f"--output_dir={tmp_path}"]
        processes.append(started("train_fixed_arc.py", flags, {"TF_CONFIG": json.dumps(cluster)}))
    assert f"worker 0 of 2, at {chief}, the chief" in well_ended(processes)


@pytest.mark.slow
def test_launch_local_starts_workers_and_hands_on_ctrl_c(tmp_path):
    command = [
        "scripts/launch_local.sh",
        "2",
        "search_micro.py",
        *SEARCH,
        "--num_epochs=50",
        f"--output_dir={tmp_path}",
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    killed_when([process], 0, lambda: scored(tmp_path) >= 3, signal.SIGINT)
    [(code, out, err)] = ended([process])
    assert code == 130, err
    assert "stopped by SIGINT" in out and "checkpoint saved; run the same command again to go on" in out
    assert "[worker 1] worker 1 of 2, at 127.0.0.1:" in out

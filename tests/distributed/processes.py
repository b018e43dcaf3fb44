"""Starts the workers of a run as real processes on this machine's loopback."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np

from tests.helpers.mains import ROOT, records

ARC = "0 2 0 0 0 1 1 1 0 1 1 3 1 4 0 2 0 0 0 1 0 2 0 0 0 1 1 1 0 1 1 3 1 4 0 2 0 0 0 1"
CHILD = ("--dataset=digits", "--child_num_layers=2", "--child_out_filters=4")


def addresses(count):
    """Addresses of this machine at which nobody listens."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for found in sockets:
            found.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{found.getsockname()[1]}" for found in sockets]


def started(program, flags, env=None):
    """Starts a program of the checkout; returns the process."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / program), *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_NUM_INTRAOP_THREADS": "1", **(env or {})},
    )


def workers(program, flags, count=2, own=lambda _: ()):
    """Starts a program as so many workers; `own` gives each one, by its index, flags of its own."""
    hosts = ",".join(addresses(count))
    return [started(program, [f"--worker_hosts={hosts}", f"--task_index={i}", *flags, *own(i)]) for i in range(count)]


def ended(processes, timeout=200):
    """Waits for processes; returns (exit code, stdout, stderr) of each."""
    found = []
    for process in processes:
        out, err = process.communicate(timeout=timeout)
        found.append((process.returncode, out, err))
    return found


def well_ended(processes):
    """Waits for processes that must succeed; returns what the first printed."""
    found = ended(processes)
    assert [code for code, _, _ in found] == [0] * len(found), [err[-2000:] for _, _, err in found]
    return found[0][1]


def killed_when(processes, victim, ready, number=signal.SIGKILL):
    """Sends one of the processes a signal as soon as `ready()` is true."""
    until = time.monotonic() + 300
    while not ready():
        assert time.monotonic() < until and all(process.poll() is None for process in processes)
        time.sleep(0.05)
    os.kill(processes[victim].pid, number)


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


def scored(path):
    """How many arcs a search has scored."""
    return len(records(path / "arcs.jsonl")) if (path / "arcs.jsonl").exists() else 0


def weights(path):
    """The bytes of the newest checkpoint's variables."""
    newest = max(
        (path / "checkpoints").glob("last-*.data-*"), key=lambda file: int(file.name.split("-")[1].split(".")[0])
    )
    return newest.read_bytes()

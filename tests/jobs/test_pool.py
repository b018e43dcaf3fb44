"""Workers and schedulers, real ones: those that are killed, and listeners that are none."""

import contextlib
import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from enas.errors import UserError
from enas.jobs import pool
from tests.helpers.mains import ROOT
from tests.helpers.processes import children, started, until

# Says when it begins, when it saves because it was asked to, and when it ends.
PROGRAM = """
import signal, sys, time
def save(*_):
    time.sleep(1)
    print("saved", flush=True)
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
signal.signal(signal.SIGINT, lambda *_: print("interrupted", flush=True))
print("begins", flush=True)
time.sleep(float(sys.argv[1]))
print("ends", flush=True)
"""


def jobs_file(folder, **seconds):
    """A list of jobs that take so many seconds."""
    (folder / "program.py").write_text(PROGRAM)
    (folder / "jobs.txt").write_text("".join(f"{name}: {folder}/program.py {each}\n" for name, each in seconds.items()))
    return folder / "jobs.txt"


def log(folder, name):
    path = folder / f"{name}.log"
    return path.read_text().split() if path.exists() else []


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and a worker of it that was started elsewhere: (address, scheduler, worker)."""
    (tmp_path / "elsewhere").mkdir()
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port=0", "--no-dashboard", "--host=127.0.0.1"]
    scheduler = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    address = next(match[0] for line in scheduler.stderr if (match := re.search(r"tcp://127.0.0.1:\d+", line)))
    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads=1", "--no-dashboard"]
    worker = subprocess.Popen(command, cwd=tmp_path / "elsewhere", stderr=subprocess.DEVNULL)
    until(lambda: "Starting established connection" in scheduler.stderr.readline())
    # Else the scheduler stops where the pipe is full.
    threading.Thread(target=scheduler.stderr.read, daemon=True).start()
    yield address, scheduler, worker
    for process in (worker, scheduler):
        process.terminate()
        process.wait(60)


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"])
def test_a_listener_that_is_no_scheduler_is_named_in_time(monkeypatch, says):
    monkeypatch.setattr(pool, "_PATIENCE", 1)
    calls = []

    def listen():
        with contextlib.suppress(OSError):  # closed
            while True:
                calls.append(server.accept()[0])
                calls[-1].sendall(says)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=listen, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(UserError, match=f"--scheduler={address}: no Dask scheduler answered within 1 seconds"):
            pool.opened(0, address, print).__enter__()
        assert time.monotonic() - began < 8 and calls


@pytest.mark.parametrize(
    "workers, scheduler, flag", [(2, "", "--workers=2"), (0, "tcp://a:1", "--scheduler=tcp://a:1")]
)
def test_without_dask_the_extra_that_brings_it_is_named(monkeypatch, workers, scheduler, flag):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=rf"^{flag}: needs the package distributed; .*\[jobs\]"):
        pool.opened(workers, scheduler, print).__enter__()


@pytest.mark.slow
def test_on_a_terminal_progress_names_the_jobs_that_run(tmp_path):
    pty, termios = (pytest.importorskip(name) for name in ("pty", "termios"))
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 150))
    command = [sys.executable, "run_jobs.py", f"--jobs={jobs_file(tmp_path, a=3, b=6, c=3)}", "--workers=2"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    printed = b""
    with contextlib.suppress(OSError):  # Linux says so that the other end is closed
        while part := os.read(ours, 4096):
            printed += part
    os.close(ours)
    bars = re.findall(r"(\d)/3 \[[^\]]*(?:it/s|s/it), ([^\]]*)\]", printed.decode())
    assert process.wait() == 0
    assert {("0", "a, b"), ("1", "b, c")} <= {(done, ", ".join(sorted(names.split(", ")))) for done, names in bars}, (
        printed
    )


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_which_all_processes_get_lets_programs_save(tmp_path):
    process = started(jobs_file(tmp_path, a=100, b=100, c=100), "--workers=2")
    until(lambda: log(tmp_path, "a") and log(tmp_path, "b"))
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=100)
    assert process.returncode == 130 and time.monotonic() - began < 30
    [_, line] = out.splitlines()
    assert line == "stopped by SIGINT after 0 of 3 jobs; run the same command again to go on"
    assert log(tmp_path, "a") == log(tmp_path, "b") == ["begins", "saved"] and not log(tmp_path, "c")


@pytest.mark.slow
def test_what_a_worker_has_done_is_not_done_again_when_it_is_killed(tmp_path):
    process = started(jobs_file(tmp_path, a=0, b=15), "--workers=1")
    until(lambda: log(tmp_path, "b"))
    [program] = [pid for pid, args in children(process.pid).items() if "program.py" in args]
    [worker] = [pid for pid in children(process.pid) if program in children(pid)]
    os.kill(worker, signal.SIGKILL)
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 0 and out.count(" done after") == 2, out
    assert log(tmp_path, "a") == ["begins", "ends"] and log(tmp_path, "b") == ["begins", "begins", "ends"]


@pytest.mark.slow
def test_a_cluster_goes_on_with_a_job_whose_driver_was_killed_and_the_next_driver_waits_for_it(tmp_path, cluster):
    file = jobs_file(tmp_path, a=12)
    first = started(file, f"--scheduler={cluster[0]}")
    until(lambda: log(tmp_path, "a"))
    first.kill()
    out, _ = started(file, f"--scheduler={cluster[0]}").communicate(timeout=200)
    assert "a done after" in out, out
    assert log(tmp_path, "a") == ["begins", "ends"] * 2 and not (tmp_path / "elsewhere/a.log").exists()


@pytest.mark.slow
def test_a_scheduler_that_is_lost_is_named_in_one_line(tmp_path, cluster):
    address, scheduler, _ = cluster
    process = started(jobs_file(tmp_path, a=100), f"--scheduler={address}")
    until(lambda: log(tmp_path, "a"))
    scheduler.kill()
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert out.splitlines()[1:] == [f"error: the scheduler {address} was lost; run the same command to go on"]

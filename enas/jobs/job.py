"""A job: one of the project's programs, run in a process of its own. Nothing here imports TensorFlow or Dask."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import IO

from enas.runs.run_directory import is_locked

# Threads of one op change how its sums are grouped, and so the last bits of a result. So that it does not matter who runs
# a job beside how many others, each has one; ops run side by side on the cores that there are.
THREADS = {"TF_NUM_INTRAOP_THREADS": "1", "OMP_NUM_THREADS": "1"}
_EVERY = 0.5  # seconds between two looks at a process
_TO_STOP = 60.0  # seconds that a program has to save a checkpoint


@dataclasses.dataclass(frozen=True)
class Job:
    """One program with its flags, whose run directory, on storage that all workers see, holds all that it leaves.

    Attributes:
      name: what logs call it; of one list each has its own.
      command: the program's file and its flags.
      log: the file that what it prints is appended to.
      run_directories: those that it writes; another process may still be in them.
      after: names of the jobs that have to be done before.
    """

    name: str
    command: tuple[str, ...]
    log: str
    run_directories: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
      name: the job's.
      code: the exit code of its program; None: it was stopped and goes on when it is started again.
      last_line: the last line it printed.
      minutes: how long it took.
    """

    name: str
    code: int | None
    last_line: str
    minutes: float


def run(job: Job, directory: str, stopped: Callable[[], bool], python: str = sys.executable) -> Outcome:
    """Runs a job to its end.

    A worker that was lost may have left a process behind that still runs in the job's directory, and a driver that was
    started again does not know of what an older one began. So the job first waits until its directories are free.

    Args:
      directory: the current directory of the program.
      stopped: says that the job should end at its next checkpoint.
      python: the interpreter.
    """
    began = time.monotonic()
    while any(map(is_locked, job.run_directories)):
        if stopped():
            return Outcome(job.name, None, "", 0.0)
        time.sleep(_EVERY)
    os.makedirs(os.path.dirname(job.log) or ".", exist_ok=True)
    with open(job.log, "ab") as log:
        code = _ended(_started([python, *job.command], directory, log), stopped)
    return Outcome(job.name, code, _last_line(job.log), (time.monotonic() - began) / 60)


def _started(command: Sequence[str], directory: str, log: IO[bytes]) -> subprocess.Popen:
    """Starts a program that does not outlive this process, where the system can see to that."""
    environment = {**THREADS, **os.environ}
    guarded = [command[0], "-c", _GUARD, str(os.getpid()), *command] if sys.platform == "linux" else command
    return subprocess.Popen(guarded, cwd=directory, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


# Asks Linux to kill the process with its parent, which may be gone already, and becomes the program.
_GUARD = (
    "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGKILL); "
    "os.getppid() == int(sys.argv[1]) or sys.exit(1); os.execv(sys.argv[2], sys.argv[2:])"
)


def _ended(process: subprocess.Popen, stopped: Callable[[], bool]) -> int | None:
    """Waits for a program; returns its exit code, or None if it was told to stop."""
    while process.poll() is None:
        if stopped():
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_TO_STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            return None
        time.sleep(_EVERY)
    return process.returncode


def _last_line(path: str) -> str:
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 4096))
        lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")

"""A job: one of the project's programs, run in a process of its own. Nothing here imports TensorFlow or Dask."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import IO

import portalocker

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
    started again does not know of what an older one began. So the job first waits until its directories are free. A
    program takes seconds before it locks its directory; its log is locked from its start to its end.

    Args:
      directory: the current directory of the program, to which the job's paths are relative.
      stopped: says that the job should end at its next checkpoint, or not start.
      python: the interpreter.
    """
    began, path = time.monotonic(), os.path.join(directory, job.log)
    busy = [os.path.join(directory, name) for name in job.run_directories]
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "ab") as log:
        while not _locked(log) or any(map(is_locked, busy)):
            if stopped():
                return Outcome(job.name, None, "", 0.0)
            time.sleep(_EVERY)
        if stopped():
            return Outcome(job.name, None, "", 0.0)
        code = _ended(_started([python, *job.command], directory, log), stopped)
    return Outcome(job.name, code, _last_line(path), (time.monotonic() - began) / 60)


def _locked(log: IO[bytes]) -> bool:
    """Locks a log, for the program too that gets it as its output; says whether nobody else had."""
    if os.name != "posix":
        return True  # Windows' locks would keep the program from writing
    try:
        portalocker.lock(log, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
    except portalocker.AlreadyLocked:
        return False
    except portalocker.LockException:
        pass  # a file system without locks; the program will say so of its directory
    return True


def _started(command: Sequence[str], directory: str, log: IO[bytes]) -> subprocess.Popen:
    """Starts a program that gets no signals but its job's, and does not outlive this process where the system knows how."""
    environment = {**THREADS, **os.environ}
    guarded = [command[0], "-c", _GUARD, str(os.getpid()), *command] if sys.platform == "linux" else command
    # In a session of its own: Ctrl-C goes to all processes of a terminal, and would end it beside what asks it to stop.
    return subprocess.Popen(
        guarded,
        cwd=directory,
        env=environment,
        stdout=log,
        stderr=log,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


# Asks Linux to kill the process with its parent, which may be gone already, and becomes the program.
_GUARD = (
    "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGKILL); "
    "os.getppid() == int(sys.argv[1]) or sys.exit(1); os.execv(sys.argv[2], sys.argv[2:])"
)


def _ended(process: subprocess.Popen, stopped: Callable[[], bool]) -> int | None:
    """Waits for a program; returns its exit code, or None if it was told to stop."""
    try:
        while process.poll() is None:
            if stopped():
                process.send_signal(signal.SIGTERM)
                process.wait(_TO_STOP)
                return None
            time.sleep(_EVERY)
        return process.returncode
    except subprocess.TimeoutExpired:
        return None
    finally:
        # Also where `stopped` has lost whom it asks.
        process.kill()
        process.wait()


def _last_line(path: str) -> str:
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 4096))
        lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")

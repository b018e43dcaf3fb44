"""Feeds damaged and hostile files and flags to everything here that reads: each has to be read, or refused in one line.

  python scripts/fuzzing/fuzz.py                              110,000 inputs, a few minutes
  python scripts/fuzzing/fuzz.py --inputs=2000 --only zips,cifar --seed=7

What counts as a failure: an exception other than `UserError`, a message of more than one line, a crash, more than 10
seconds of CPU time, 2 minutes or 4 GB for one input, a file written outside the input's own folder, a program started, a
connection opened, a name looked up by an ordinary unpickler. The input of a failure is kept in --keep. Exit code 1 if there
was one.
"""

import argparse
import math
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from enas.errors import UserError
from scripts.arguments import Parser, number, run_script, some_of
from scripts.fuzzing import fuzz_targets

# CPU time tells a hang from a busy machine; the clock, one that waits for something.
CPU_SECONDS, CLOCK_SECONDS, MEMORY, CHUNK = 10, 120, 4 * 2**30, 2000
# Python reports these to audit hooks; what reads a file has no business with them.
FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "os.symlink",
    "os.link",
    "os.chmod",
    "os.chown",
    "os.kill",
    "subprocess.Popen",
    "socket.connect",
    "socket.bind",
    "pickle.find_class",
    "ctypes.dlopen",
    "builtins.input",
)
WRITES = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "shutil.rmtree")


class Forbidden(BaseException):
    """Something that a reader must never do; not an Exception, so that no reader can swallow it."""


def main() -> int:
    """Runs the targets; returns the exit code."""
    names = list(fuzz_targets.TARGETS)
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=number(1), default=110_000, help="inputs in all")
    parser.add_argument("--only", type=some_of(names), default=names, help="targets, separated by commas")
    parser.add_argument("--seed", type=number(0), default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz_failures"), help="folder for inputs that failed")
    arguments = parser.parse_args()
    shares = {name: fuzz_targets.TARGETS[name].share for name in arguments.only}
    tried, failed, start = 0, 0, time.monotonic()
    for name in arguments.only:
        count = math.ceil(arguments.inputs * shares[name] / sum(shares.values()))
        refused = 0
        for first in range(0, count, CHUNK):
            counts = _chunk(name, arguments, first, min(count, first + CHUNK))
            refused, failed = refused + counts[0], failed + counts[1]
        tried += count
        print(f"{name}: {count} inputs, {refused} refused, {count - refused} read or failed", flush=True)
    print(f"{tried} inputs in {time.monotonic() - start:.0f} s: {failed} failures")
    return 1 if failed else 0


def _chunk(name, arguments, first, last):
    """Runs inputs first..last-1 of a target in a process of its own; returns (refused, failures)."""
    with tempfile.TemporaryDirectory() as folder:
        position, result = Path(folder, "position"), Path(folder, "result")
        refused = failed = 0
        while first < last:
            process = os.fork()
            if not process:
                _worker(name, arguments, first, last, Path(folder))
            code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            if code == 0:
                done, bad = map(int, result.read_text().split())
                return refused + done, failed + bad
            # A crash or a hang: the rest of the chunk goes on behind the input that did it.
            at = int(position.read_text())
            _keep(arguments, name, at, Path(folder, "input"), f"the process ended with {code}")
            first, failed = at + 1, failed + 1
        return refused, failed


def _worker(name, arguments, first, last, folder):
    """In the forked process: runs the inputs, writes the counts and leaves."""
    code = 1
    try:
        target = fuzz_targets.TARGETS[name].make()
        limit = MEMORY if fuzz_targets.TARGETS[name].limited else resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        for ended_by in (signal.SIGALRM, signal.SIGPROF):
            signal.signal(ended_by, signal.SIG_DFL)
        sandbox = folder / "input"
        os.makedirs(sandbox, exist_ok=True)
        watched = _watch(sandbox)
        counts = [0, 0]
        for number in range(first, last):
            (folder / "position").write_text(str(number))
            rng = random.Random(f"{arguments.seed} {name} {number}")
            run = target(rng, sandbox)
            _limit(CPU_SECONDS, CLOCK_SECONDS)
            watched[0] = True
            try:
                run()
            except UserError as error:
                counts[0] += 1
                if "\n" in str(error):
                    watched[0] = False
                    counts[1] += 1
                    _keep(arguments, name, number, sandbox, f"a message of several lines: {str(error)!r}")
            except BaseException:
                watched[0] = False
                counts[1] += 1
                _keep(arguments, name, number, sandbox, traceback.format_exc())
            watched[0] = False
            _limit(0, 0)
        (folder / "result").write_text(f"{counts[0]} {counts[1]}")
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _limit(cpu_seconds, clock_seconds):
    """Ends the process after so much time; 0: never."""
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    signal.alarm(clock_seconds)


def _watch(sandbox):
    """Adds an audit hook that forbids things while the returned list's one item is true."""
    active, inside = [False], str(sandbox)

    def hook(event, arguments):
        if not active[0]:
            return
        if event in FORBIDDEN:
            raise Forbidden(f"{event}{arguments}")
        if event in WRITES and (event != "open" or _writes(arguments)):
            path = os.path.abspath(os.fsdecode(arguments[0])) if not isinstance(arguments[0], int) else inside
            if path != inside and not path.startswith(f"{inside}/"):
                raise Forbidden(f"{event}{arguments}")

    sys.addaudithook(hook)
    return active


def _writes(arguments):
    _, mode, flags = arguments
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _keep(arguments, name, number, sandbox, reason):
    folder = arguments.keep / f"{name}-{arguments.seed}-{number}"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sandbox, folder, symlinks=True)
    (folder / "reason.txt").write_text(reason)
    print(f"FAILURE {name} input {number} (kept in {folder}): {reason.strip().splitlines()[-1][:200]}", flush=True)


if __name__ == "__main__":
    run_script(main)

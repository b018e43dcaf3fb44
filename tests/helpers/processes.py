"""Programs that are started, looked at and killed while they run."""

import subprocess
import sys
import time

from tests.helpers.mains import ROOT


def started(file, *flags):
    """Starts a list of jobs, in a session of its own."""
    command = [sys.executable, "run_jobs.py", f"--jobs={file}", *flags]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def children(pid):
    """Processes that a process started, and those that these started: {pid: command line}."""
    out = subprocess.run(["ps", "-eww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in out.splitlines()]
    found, new = {}, {str(pid)}
    while new:
        more = {row[0]: row[2] for row in rows if row[1] in new and row[0] not in found}
        found |= more
        new = set(more)
    return {int(number): args for number, args in found.items()}


def until(condition):
    """Waits until a condition holds."""
    limit = time.monotonic() + 200
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.1)


def contents(folder, names):
    """{path: bytes} of the files of these names below a folder, and of each newest checkpoint, whose number may differ."""
    found = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.name in names}
    for path in sorted(folder.rglob("last-*.data-*"), key=lambda path: int(path.name[5:].split(".")[0])):
        found[path.parent.relative_to(folder)] = path.read_bytes()
    return found

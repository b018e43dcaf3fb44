"""One job, in this process: when its program starts, and how it ends."""

import os
import subprocess
import sys
import time

import pytest

from enas.jobs import job
from enas.runs.run_directory import is_locked
from tests.helpers.mains import ROOT
from tests.helpers.processes import children, until

SAYS = "import os, sys, time; print('begins', flush=True); time.sleep(float(sys.argv[1])); print('ends', flush=True)"


def runner(folder, seconds):
    """A process that runs a job, as a worker does."""
    code = (
        f"from enas.jobs import job; job.run(job.Job('a', ('-c', {SAYS!r}, '{seconds}'), 'a.log'), '.', lambda: False)"
    )
    return subprocess.Popen([sys.executable, "-c", code], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)})


def test_a_job_waits_until_its_directory_is_free(tmp_path):
    code = (
        "import portalocker, sys, time; f = open(sys.argv[1], 'ab'); "
        "portalocker.lock(f, portalocker.LockFlags.EXCLUSIVE); print('held', flush=True); time.sleep(3)"
    )
    lock = str(tmp_path / "lock")
    holder = subprocess.Popen([sys.executable, "-c", code, lock], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n" and is_locked(str(tmp_path))
    began = time.monotonic()
    waiting = job.Job("a", ("-c", "print('ran')"), str(tmp_path / "a.log"), (str(tmp_path),))
    outcome = job.run(waiting, str(tmp_path), lambda: False)
    assert time.monotonic() - began > 1 and holder.poll() == 0
    assert (outcome.code, outcome.last_line) == (0, "ran")


def test_a_program_that_has_not_locked_its_directory_yet_is_waited_for_too(tmp_path):
    """As when a driver is killed while its jobs start, and another one is started at once."""
    runners = [runner(tmp_path, 2), runner(tmp_path, 2)]
    assert [process.wait(100) for process in runners] == [0, 0]
    assert (tmp_path / "a.log").read_text().split() == ["begins", "ends"] * 2


def test_a_program_that_outlives_its_worker_is_waited_for(tmp_path, monkeypatch):
    if sys.platform != "linux":
        pytest.skip("where nothing ends a program with its worker, this is so anyway")
    monkeypatch.setattr(job, "_GUARD", "import os, sys; os.execv(sys.argv[2], sys.argv[2:])")
    with open(tmp_path / "a.log", "ab") as log:
        assert job._locked(log)
        program = job._started([sys.executable, "-c", SAYS, "3"], str(tmp_path), log)
    outcome = job.run(job.Job("a", ("-c", "print('again')"), "a.log"), str(tmp_path), lambda: False)
    assert outcome.code == 0 and program.wait(10) == 0
    assert (tmp_path / "a.log").read_text().split() == ["begins", "ends", "again"]


def test_a_program_dies_with_the_process_that_runs_its_job(tmp_path):
    if sys.platform != "linux":
        pytest.skip("only Linux ends a process with its parent")
    process = runner(tmp_path, 60)
    until(lambda: (tmp_path / "a.log").exists() and (tmp_path / "a.log").read_text() == "begins\n")
    [program] = children(process.pid)
    process.kill()
    process.wait()
    until(lambda: not os.path.exists(f"/proc/{program}"))


def test_a_job_that_was_to_stop_before_it_began_does_not_start(tmp_path):
    outcome = job.run(job.Job("a", ("-c", "print('ran')"), "a.log"), str(tmp_path), lambda: True)
    assert outcome.code is None and (tmp_path / "a.log").read_text() == ""


def test_a_program_ends_when_nobody_can_say_any_more_whether_it_should(tmp_path):
    asked = []

    def lost():
        asked.append(children(os.getpid()))
        if len(asked) > 2:
            raise OSError("no scheduler")
        return False

    with pytest.raises(OSError, match="no scheduler"):
        job.run(job.Job("a", ("-c", SAYS, "60"), "a.log"), str(tmp_path), lost)
    assert any(SAYS[:20] in args for args in asked[-1].values())
    assert not any(SAYS[:20] in args for args in children(os.getpid()).values())


def test_a_jobs_paths_are_those_of_the_driver_wherever_the_worker_was_started(tmp_path, monkeypatch):
    folders = [tmp_path / name for name in ("driver", "worker")]
    for folder in folders:
        folder.mkdir()
    monkeypatch.chdir(folders[1])
    outcome = job.run(
        job.Job("a", ("-c", "import os; print(os.getcwd())"), "logs/a.log"), str(folders[0]), lambda: False
    )
    assert outcome.last_line == str(folders[0])
    assert (folders[0] / "logs/a.log").exists() and not os.listdir(folders[1])

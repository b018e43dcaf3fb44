"""Lists of jobs on real workers of Dask, really killed."""

import os
import re
import signal
import subprocess
import sys

import pytest

from enas.errors import UserError
from enas.jobs import job_file
from tests.helpers import mains
from tests.helpers.mains import ROOT
from tests.helpers.processes import children, contents, started, until

TINY = (
    "--dataset=digits --child_scheme=k4 --child_num_layers=2 --child_out_filters=2 --batch_size=16 --max_train_images=320 "
    "--controller_train_steps=2 --controller_num_aggregate=2 --num_epochs=3 --checkpoint_every_minutes=0"
)
# What must not depend on who ran the jobs.
NAMES = ("arcs.jsonl", "best_arc.txt", "metrics.jsonl", "results.json")


def jobs_file(folder, seeds):
    """A list of searches, one for each seed, and a training of the first one's arc."""
    lines = [f"search-{s}: search_micro.py {TINY} --seed={s} --output_dir={folder}/search-{s}" for s in seeds]
    child = "--dataset=digits --child_num_layers=2 --child_out_filters=2 --num_epochs=1 --max_train_images=320"
    lines.append(
        f"final after search-{seeds[0]}: train_fixed_arc.py --arc_file={folder}/search-{seeds[0]} {child} "
        f"--output_dir={folder}/final"
    )
    file = folder / "jobs.txt"
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.mark.slow
def test_results_do_not_depend_on_how_many_workers_there_are_nor_on_one_that_is_killed(tmp_path):
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    out, _ = started(jobs_file(folders[0], [0, 1]), "--workers=1").communicate(timeout=500)
    assert "final done after" in out and re.search(r"dashboard: http://127.0.0.1:\d+/status", out)

    process = started(jobs_file(folders[1], [0, 1]), "--workers=2")
    until(lambda: (folders[1] / "search-1/arcs.jsonl").exists())
    [(program, _)] = [pair for pair in children(process.pid).items() if "--seed=1" in pair[1]]
    worker = int(subprocess.run(["ps", "-o", "ppid=", "-p", str(program)], capture_output=True, text=True).stdout)
    os.kill(worker, signal.SIGKILL)
    out, _ = process.communicate(timeout=500)
    assert process.returncode == 0 and "search-1 done after" in out, out
    log = (folders[1] / "search-1.log").read_text()
    assert log.count("search finished") == 1 and "resuming after epoch" in log
    alike = [{**contents(folder, NAMES)} for folder in folders]
    for found in alike:
        # It holds the minutes that a step took.
        assert found.pop(next(path for path in found if path.name == "results.json"))
    assert alike[0] == alike[1]


@pytest.mark.slow
def test_a_driver_that_was_killed_and_started_again_does_no_job_twice_at_once(tmp_path):
    file = jobs_file(tmp_path, [0, 1])
    first = started(file, "--workers=2")
    until(lambda: (tmp_path / "search-0/arcs.jsonl").exists())
    programs = [pid for pid, args in children(first.pid).items() if "search_micro.py" in args]
    os.kill(first.pid, signal.SIGKILL)
    second = started(file, "--workers=2")
    out, _ = second.communicate(timeout=500)
    assert second.returncode == 0 and out.count(" done after") == 3, out
    assert not set(programs) & set(children(1))
    for name in ("search-0", "search-1"):
        log = (tmp_path / f"{name}.log").read_text()
        assert "another process is running" not in log and log.count("search finished") == 1
        epochs = [record["epoch"] for record in mains.records(tmp_path / name / "arcs.jsonl")]
        assert epochs == [1] * 10 + [2] * 10 + [3] * 10


@pytest.mark.slow
def test_ctrl_c_saves_what_runs_and_the_same_command_goes_on(tmp_path):
    file = jobs_file(tmp_path, [0])
    process = started(file, "--workers=1")
    until(lambda: (tmp_path / "search-0/arcs.jsonl").exists())
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 130 and "run the same command again to go on" in out
    assert "checkpoint saved" in (tmp_path / "search-0.log").read_text()
    out, _ = started(file, "--workers=1").communicate(timeout=500)
    assert "final done after" in out


@pytest.mark.slow
def test_an_existing_cluster_runs_jobs_and_one_that_is_not_there_is_named(tmp_path):
    file = jobs_file(tmp_path, [0])
    scheduler = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port=0", "--no-dashboard", "--host=127.0.0.1"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    address = next(match[0] for line in scheduler.stderr if (match := re.search(r"tcp://127.0.0.1:\d+", line)))
    worker = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads=1"],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: "Starting established connection" in scheduler.stderr.readline())
        out, _ = started(file, f"--scheduler={address}").communicate(timeout=500)
        assert "final done after" in out, out
    finally:
        worker.terminate()
        scheduler.kill()
    line = mains.error("run_jobs.py", f"--jobs={file}", "--scheduler=tcp://127.0.0.1:9")
    assert "--scheduler=tcp://127.0.0.1:9: no Dask scheduler answered within 20 seconds" in line


def test_a_job_that_fails_is_named_and_what_comes_after_it_does_not_start(tmp_path):
    file = tmp_path / "jobs.txt"
    file.write_text(
        "a: search_micro.py --child_lr_max=abc\nb after a: search_micro.py\nc: report.py --output_dir=nowhere\n"
    )
    process = started(file, "--workers=2")
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 2
    assert re.search(
        rf"^a failed \(see {tmp_path}/a.log\) after .*: error: --child_lr_max=abc: expected a number$", out, re.M
    )
    assert re.search("^b failed .*: not started: a did not end well$", out, re.M)
    assert "error: 3 of 3 jobs did not end well" in out
    assert (tmp_path / "a.log").read_text().startswith("error: --child_lr_max=abc")


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "holds no job"),
        ("# nothing\n\n", "holds no job"),
        ("search_micro.py --seed=1", "line 1: expected NAME: PROGRAM FLAGS"),
        ("a: search_micro.py\n\na: search_micro.py", "line 3: a comes twice"),
        (
            "a after b: search_micro.py\nb: search_micro.py",
            "line 1: a comes after b; expected the name of a job in a line before",
        ),
        ("a: search_micro.py 'x", "line 1: no closing quotation"),
        ("a: nothing.py", "line 1: nothing.py is no Python program"),
        ("a: # search_micro.py", "line 1: nothing is no Python program"),
        ("# a comment ends with its line \\\na: nothing.py", "line 2: nothing.py is no Python program"),
        ("a: search_micro.py\nb: nothing.py \\", "line 2: nothing.py is no Python program"),
        ("a: search_micro.py --reset_output_dir", "line 1: --reset_output_dir would delete the run each time"),
        ("a: search_micro.py -reset_output_dir=True", "line 1: --reset_output_dir would delete the run each time"),
        (
            "a: search_micro.py --output_dir=x\nb: search_micro.py --seed=1 --output_dir ./x/",
            "line 2: --output_dir=./x/ is that of a too; expected another, or `b after a:`",
        ),
    ],
)
def test_a_list_with_a_mistake_is_refused_at_its_line(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(ROOT)
    (tmp_path / "jobs.txt").write_text(text)
    with pytest.raises(UserError) as error:
        job_file.read(str(tmp_path / "jobs.txt"))
    assert message in str(error.value)


def test_a_list_is_read_with_quotes_comments_continued_lines_and_order(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    text = (
        "a: search_micro.py --output_dir='x y' \\\n  --seed=1 # one\n# b\n"
        "c after a : report.py --output_dir z\nd after a,c: report.py\n"
    )
    (tmp_path / "jobs.txt").write_text(text)
    a, c, d = job_file.read(str(tmp_path / "jobs.txt"))
    assert a.command == ("search_micro.py", "--output_dir=x y", "--seed=1") and a.run_directories == ("x y",)
    assert (c.run_directories, c.after, d.after, d.run_directories) == (("z",), ("a",), ("a", "c"), ())
    assert a.log == str(tmp_path / "a.log")


def test_jobs_of_one_directory_that_come_one_after_the_other_are_read(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    train = "train_fixed_arc.py --noreset_output_dir --output_dir=x"
    text = f"a: {train}\nb after a: report.py\nc after b: {train} --eval_only"
    (tmp_path / "jobs.txt").write_text(text)
    assert [job.name for job in job_file.read(str(tmp_path / "jobs.txt"))] == ["a", "b", "c"]


def test_workers_and_a_scheduler_together_and_neither_are_refused(tmp_path):
    (tmp_path / "jobs.txt").write_text("a: search_micro.py\n")
    jobs = f"--jobs={tmp_path / 'jobs.txt'}"
    assert "--workers=2 and --scheduler=tcp://a:1 both say" in mains.error(
        "run_jobs.py", jobs, "--workers=2", "--scheduler=tcp://a:1"
    )
    assert "--workers=0: expected a number of processes" in mains.error("run_jobs.py", jobs)

"""The program that runs a list of jobs. Nothing here imports TensorFlow."""

import sys

from absl import flags as absl_flags

from enas import signals
from enas.commands import cli
from enas.errors import UserError
from enas.jobs import job_file
from enas.jobs.job import Outcome

# Absl lists under --help the flags of the script that calls `run`, not this module's.
absl_flags.disclaim_key_flags()

FLAGS = absl_flags.FLAGS


def run() -> None:
    """Runs a list of jobs, e.g. searches with several seeds, several at a time.

      {run_jobs} --jobs=jobs.txt --workers=2

    Each line of the file is a job: NAME: PROGRAM FLAGS, or NAME after OTHER: PROGRAM FLAGS. What a job prints goes into
    NAME.log beside the file. Run it again to go on: each program resumes in its own --output_dir.
    """
    absl_flags.DEFINE_string("jobs", "", "File with the jobs, one a line.")
    absl_flags.DEFINE_integer(
        "workers", 0, "Processes of this machine to run jobs, each on its share of the cores.", 0, 1024
    )
    absl_flags.DEFINE_string(
        "scheduler",
        "",
        "Address of a Dask scheduler, e.g. tcp://host:8786, whose workers run the jobs, in the place of --workers.",
    )
    cli.run(_main, usage=run.__doc__)


def _main(arguments: list[str]) -> int | None:
    cli.no_arguments(arguments)
    check_workers(FLAGS.workers, FLAGS.scheduler)
    if not FLAGS.workers and not FLAGS.scheduler:
        raise UserError("--workers=0: expected a number of processes, or --scheduler")
    if not FLAGS.jobs:
        raise UserError("--jobs='': expected a file with jobs")
    jobs = job_file.read(FLAGS.jobs)
    logs = {job.name: job.log for job in jobs}
    outcomes: list[Outcome] = []

    def ended(outcome: Outcome) -> None:
        outcomes.append(outcome)
        how = (
            "done" if outcome.code == 0 else "stopped" if outcome.code is None else f"failed (see {logs[outcome.name]})"
        )
        so_far = f"after {outcome.minutes:.2f} minutes ({len(outcomes)} of {len(jobs)})"
        _Terminal().log(f"{outcome.name} {how} {so_far}: {outcome.last_line}")

    from enas.jobs import pool

    try:
        with pool.opened(FLAGS.workers, FLAGS.scheduler, _Terminal().log) as client:
            pool.run_all(client, jobs, ended, lambda: False)
    except signals.Stopped as stopped:
        stopped.tell(_Terminal(), f"after {len(outcomes)} of {len(jobs)} jobs; run the same command again to go on")
        raise
    bad = [outcome.name for outcome in outcomes if outcome.code != 0]
    if bad:
        raise UserError(
            f"{len(bad)} of {len(jobs)} jobs did not end well: {', '.join(bad)}; run the same command to go on"
        )
    return None


def check_workers(workers: int, scheduler: str) -> None:
    """Checks the flags that say who runs jobs.

    Raises:
      UserError: both do.
    """
    if workers and scheduler:
        raise UserError(
            f"--workers={workers} and --scheduler={scheduler} both say who runs the jobs; leave one of them out"
        )


class _Terminal:
    def log(self, line: str) -> None:
        """Prints a line, above a progress bar if there is one."""
        from tqdm import tqdm

        tqdm.write(line)
        sys.stdout.flush()

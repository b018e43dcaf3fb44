"""What runs in Dask's workers."""

import os
import signal
from typing import Any

from enas import signals
from enas.jobs.job import Job, Outcome, run

COUNT = "ENAS_JOB_WORKERS"  # in the environment of the workers that `pool.opened` starts: how many they are


def dask_setup(_worker: Any) -> None:
    """Dask calls it in each worker that `pool.opened` starts. Lets the driver alone decide when a worker ends.

    Ctrl-C goes to all processes of a terminal, and a worker that ends takes its program along before that has saved a
    checkpoint. A handler, unlike SIG_IGN, is not inherited by programs.
    """
    for number in signals.SIGNALS:
        signal.signal(number, lambda *_: None)


def run_job(job: Job, directory: str, stop: str) -> Outcome:
    """Runs a job in a worker process.

    Args:
      directory: the current directory of the program.
      stop: name of the `distributed.Event` that says that jobs should stop; the driver also listens to this topic for
        the names of jobs that begin.
    """
    from distributed import Event, get_client, get_worker

    _take_share(get_worker().name)
    get_worker().log_event(stop, job.name)
    return run(job, directory, Event(stop, client=get_client()).is_set)


def _take_share(name: Any) -> None:
    """Leaves a worker process, and what it starts, its share of the cores, where the system knows shares."""
    count = int(os.environ.get(COUNT, "0"))
    if not count or not hasattr(os, "sched_setaffinity"):
        return
    mine, place = sorted(os.sched_getaffinity(os.getppid())), int(name)
    share = mine[place * len(mine) // count : (place + 1) * len(mine) // count] or [mine[place % len(mine)]]
    os.sched_setaffinity(0, share)

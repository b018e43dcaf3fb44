"""The workers that jobs run on, by dask.distributed: processes of this machine, or a cluster that is there already."""

import contextlib
import logging
import os
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tqdm import tqdm

from enas import signals
from enas.errors import UserError
from enas.jobs.job import THREADS, Job, Outcome, run

_COUNT = "ENAS_JOB_WORKERS"  # in the environment of the workers that `opened` starts: how many they are
_PATIENCE = "20s"  # for a scheduler's answer


@contextlib.contextmanager
def opened(workers: int, scheduler: str, log: Callable[[str], None]) -> Iterator[Any]:
    """Yields a `dask.distributed.Client` of workers that run one job at a time each.

    Args:
      workers: processes to start on this machine; with `scheduler`, 0.
      scheduler: address of a Dask scheduler that runs already, e.g. "tcp://host:8786"; "" for none.
      log: takes a line that says where to look on.

    Raises:
      UserError: nobody answers at the address, or the scheduler has no workers.
    """
    import dask
    from distributed import Client, LocalCluster

    # A worker that is lost is no sign that the job is to blame, before that has happened several times.
    dask.config.set({"distributed.scheduler.allowed-failures": 5})
    # Else it logs all that it does.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if scheduler:
        with _client(scheduler, log) as client:
            yield client
        return
    environment = {**THREADS, _COUNT: str(workers), "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "critical"}
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, env=environment, dashboard_address="127.0.0.1:0", memory_limit=None
        ) as cluster,
        Client(cluster) as client,
    ):
        log(f"{workers} workers on this machine; dashboard: {cluster.dashboard_link}")
        yield client


def _client(scheduler, log):
    from distributed import Client

    try:
        client = Client(scheduler, timeout=_PATIENCE)
    except (OSError, ValueError, TypeError) as error:
        words = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UserError(
            f"--scheduler={scheduler}: no Dask scheduler answered within {_PATIENCE[:-1]} seconds ({words}); expected the "
            "address that `dask scheduler` prints, e.g. tcp://host:8786"
        ) from None
    found = client.scheduler_info()["workers"]
    if not found:
        client.close()
        raise UserError(
            f"--scheduler={scheduler}: the scheduler has no workers; expected some: `dask worker {scheduler}`"
        )
    threads = sum(worker["nthreads"] for worker in found.values())
    log(f"{len(found)} workers of {scheduler}, {threads} jobs at a time; dashboard: {client.dashboard_link}")
    return client


def run_all(
    client: Any, jobs: Sequence[Job], ended: Callable[[Outcome], None], out_of_time: Callable[[], bool]
) -> None:
    """Runs jobs, each as soon as those it comes after are done, and hands over how each ended.

    Args:
      client: see `opened`.
      jobs: their names differ.
      ended: takes each outcome as it comes; may raise.
      out_of_time: says that the jobs should stop where they are.

    Raises:
      signals.Stopped: a signal came; the jobs that ran have saved a checkpoint.
    """
    from distributed import Event

    stop = Event(f"stop-{uuid.uuid4()}", client=client)
    futures: dict[str, Any] = {}
    for job in jobs:
        before = [futures[name] for name in job.after]
        # A key of its own in each call: a scheduler that lives on must not take an older driver's result for it.
        futures[job.name] = client.submit(
            _on_worker, job, os.getcwd(), stop.name, before, key=f"{job.name}-{uuid.uuid4()}", pure=False
        )
    try:
        _collect(futures, ended, out_of_time, stop)
    except BaseException:
        # What runs saves a checkpoint; what waits does not start.
        stop.set()
        _wait(futures)
        raise


def _collect(futures, ended, out_of_time, stop):
    from distributed import wait

    left = dict(futures)
    with tqdm(total=len(left), desc="jobs", disable=None, leave=False) as bar:
        while left:
            signals.check()
            if out_of_time():
                stop.set()
            with contextlib.suppress(TimeoutError):
                wait(list(left.values()), timeout=0.5, return_when="FIRST_COMPLETED")
            for name in [name for name, future in left.items() if future.done()]:
                ended(_outcome(name, left.pop(name)))
                bar.update()
            bar.set_postfix_str(", ".join(list(left)[:3]), refresh=False)


def _outcome(name, future):
    try:
        outcome: Outcome = future.result()
        return outcome
    except Exception as error:  # noqa: BLE001  # whatever became of the workers
        return Outcome(name, 1, f"{type(error).__name__}: {str(error)[:200]}", 0.0)


def _wait(futures):
    from distributed import wait

    with contextlib.suppress(Exception):
        wait(list(futures.values()), timeout=90)


def _on_worker(job: Job, directory: str, stop: str, before: Sequence[Outcome]) -> Outcome:
    """Runs a job in a worker process."""
    from distributed import Event, get_client, get_worker

    _take_share(get_worker().name)
    for outcome in before:
        if outcome.code != 0:
            return Outcome(job.name, outcome.code, f"not started: {outcome.name} did not end well", 0.0)
    event = Event(stop, client=get_client())
    return run(job, directory, event.is_set, sys.executable)


def _take_share(name: Any) -> None:
    """Leaves a worker process of `opened`, and what it starts, its share of the cores, where the system knows shares."""
    count = int(os.environ.get(_COUNT, "0"))
    if not count or not hasattr(os, "sched_setaffinity"):
        return
    mine, place = sorted(os.sched_getaffinity(os.getppid())), int(name)
    share = mine[place * len(mine) // count : (place + 1) * len(mine) // count] or [mine[place % len(mine)]]
    os.sched_setaffinity(0, share)

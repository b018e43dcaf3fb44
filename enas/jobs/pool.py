"""The workers that jobs run on, by dask.distributed: processes of this machine, or a cluster that is there already."""

import contextlib
import importlib.util
import logging
import os
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Any

from tqdm import tqdm

from enas import signals
from enas.errors import UserError
from enas.jobs import worker
from enas.jobs.job import Job, Outcome

_PATIENCE = 20  # seconds for a scheduler's answer


@contextlib.contextmanager
def opened(workers: int, scheduler: str, log: Callable[[str], None]) -> Iterator[Any]:
    """Yields a `dask.distributed.Client` of workers that run one job at a time each.

    Args:
      workers: processes to start on this machine; with `scheduler`, 0.
      scheduler: address of a Dask scheduler that runs already, e.g. "tcp://host:8786"; "" for none.
      log: takes a line that says where to look on.

    Raises:
      UserError: Dask is not installed, nobody answers at the address, or the scheduler has no workers.
    """
    if importlib.util.find_spec("distributed") is None:
        flag = f"--scheduler={scheduler}" if scheduler else f"--workers={workers}"
        raise UserError(f"{flag}: needs the package distributed; pip install 'enas-quantized[jobs]' brings it")
    from distributed import Client

    # Else it logs all that it does; some of its loggers have a level of their own.
    for name in [name for name in logging.root.manager.loggerDict if name.split(".")[0] == "distributed"]:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if scheduler:
        with _client(scheduler, log) as client:
            yield client
        return
    with _cluster(workers) as cluster, Client(cluster) as client:
        log(f"{workers} workers on this machine; dashboard: {cluster.dashboard_link}")
        yield client


def _cluster(workers):
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        env={worker.COUNT: str(workers)},
        dashboard_address="127.0.0.1:0",
        memory_limit=None,
        preload=worker.__name__,
        # A worker that is lost is no sign that the job is to blame, before that has happened several times.
        scheduler_kwargs={"allowed_failures": 5},
        silence_logs=logging.CRITICAL,
    )


def _client(scheduler, log):
    client = _connected(scheduler)
    found = client.scheduler_info()["workers"]
    if not found:
        client.close()
        raise UserError(
            f"--scheduler={scheduler}: the scheduler has no workers; expected some: `dask worker {scheduler}`"
        )
    threads = sum(each["nthreads"] for each in found.values())
    log(f"{len(found)} workers of {scheduler}, {threads} jobs at a time; dashboard: {client.dashboard_link}")
    return client


def _connected(scheduler):
    """A client of a scheduler. Dask waits for ever where somebody listens who says nothing, so a thread does it; and what it
    raises depends on what a listener of another kind says."""
    from distributed import Client

    found, errors = [], ["no answer"]

    def connect():
        try:
            found.append(Client(scheduler, timeout=_PATIENCE))
        except Exception as error:  # noqa: BLE001
            errors.append((str(error) or type(error).__name__).splitlines()[0][:120])

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(_PATIENCE + 2)
    if not found:
        raise UserError(
            f"--scheduler={scheduler}: no Dask scheduler answered within {_PATIENCE} seconds ({errors[-1]}); expected the "
            "address that `dask scheduler` prints, e.g. tcp://host:8786"
        )
    return found[0]


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
      UserError: the scheduler was lost.
    """
    from distributed import Event

    stop = Event(f"stop-{uuid.uuid4()}", client=client)
    running: dict[str, Any] = {}
    try:
        with signals.noted():
            _run(client, jobs, ended, out_of_time, stop, running)
    except BaseException:
        # What runs saves a checkpoint; what waits does not start. Without a scheduler nobody can be told.
        with contextlib.suppress(Exception):
            if client.status == "running":
                stop.set()
                _wait(list(running.values()), 90, "ALL_COMPLETED")
        raise


def _run(client, jobs, ended, out_of_time, stop, running):
    left, codes, begun = list(jobs), dict[str, int | None](), dict[str, None]()
    client.subscribe_topic(stop.name, lambda event: begun.update({event[1]: None}))
    with tqdm(total=len(jobs), desc="jobs", disable=None, leave=False) as bar:
        while left or running:
            signals.check()
            if out_of_time():
                stop.set()
            _submit(client, left, codes, stop, running)
            _wait(list(running.values()), 0.5, "FIRST_COMPLETED")
            outcomes = [_outcome(client, name, running) for name in [*running] if running[name].done()]
            outcomes += _not_started(left, codes)
            for found in outcomes:
                codes[found.name] = found.code
                ended(found)
                bar.update()
            # Those that run; the rest waits for a worker.
            bar.set_postfix_str(", ".join(name for name in [*begun] if name in running))


def _submit(client, left, codes, stop, running):
    """Hands over the jobs whose turn has come. They wait here rather than in Dask, which would do a job again for the sake
    of those that come after it when the worker that did it is lost."""
    for job in [job for job in left if all(codes.get(name, 1) == 0 for name in job.after)]:
        left.remove(job)
        # A key of its own in each call: a scheduler that lives on must not take an older driver's result for it.
        key = f"{job.name}-{uuid.uuid4()}"
        running[job.name] = client.submit(worker.run_job, job, os.getcwd(), stop.name, key=key, pure=False)


def _not_started(left, codes):
    """Outcomes of the jobs that never start, for one before them did not end well."""
    outcomes: list[Outcome] = []
    for job in list(left):
        bad = next((name for name in job.after if codes.get(name, 0) != 0), None)
        if bad:
            left.remove(job)
            outcomes.append(Outcome(job.name, codes[bad], f"not started: {bad} did not end well", 0.0))
    return outcomes


def _outcome(client, name, running):
    """How a job ended that is done; forgets it, so that Dask does not do it again when the worker that did it is lost."""
    future = running.pop(name)
    try:
        outcome: Outcome = future.result()
        future.release()
        return outcome
    except Exception as error:  # noqa: BLE001  # whatever became of the workers
        if client.status != "running":
            raise UserError(
                f"the scheduler {client.scheduler.address} was lost; run the same command to go on"
            ) from None
        return Outcome(name, 1, f"{type(error).__name__}: {str(error)[:200]}", 0.0)


def _wait(futures, seconds, which):
    from distributed import wait

    with contextlib.suppress(TimeoutError, CancelledError):
        if futures:
            wait(futures, timeout=seconds, return_when=which)

"""Options of synchronous training by several workers. Nothing here imports TensorFlow."""

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

from enas.errors import UserError
from enas.options import option

# Flags that are this process's matter, and not the run's.
OF_PROCESS = ("worker_hosts", "task_index", "worker_timeout", "num_gpus")
_ADDRESS = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")


@dataclasses.dataclass(frozen=True)
class WorkersConfig:
    """Which processes train together, and which of them this one is. docs/scaling.md says how.

    Attributes:
      hosts: the addresses, one for each worker.
      count: how many workers there are, at least 1.
      is_chief: this worker writes the run directory.
      sync_batch_norm: see `TrainWorkersConfig`; the workers of a search train different arcs.
    """

    sync_batch_norm = False

    worker_hosts: str = option(
        "",
        "Train together with other processes: the addresses HOST:PORT of all workers, separated by commas, the same list on "
        "each. Every process runs the same command with its own --task_index. Or set TF_CONFIG. --batch_size is one's.",
        flexible=True,
    )
    task_index: int = option(
        0,
        "Place of this process in --worker_hosts, from 0. Worker 0 is the chief, which writes --output_dir.",
        0,
        1023,
        flexible=True,
    )
    worker_timeout: float = option(
        60.0,
        "Seconds to wait at the start for workers that do not answer yet, and later until one that does not answer any more "
        "counts as lost, which ends the run. One whose process is gone is noticed within seconds.",
        above=0.0,
        flexible=True,
    )

    def __post_init__(self) -> None:
        if not self.worker_hosts:
            if self.task_index:
                raise UserError(f"--task_index={self.task_index}: needs --worker_hosts, which it is a place in")
            return
        for host in self.hosts:
            port = _ADDRESS.fullmatch(host)
            if port is None or not 0 < int(port[1]) < 2**16:
                raise UserError(
                    f"--worker_hosts={self.worker_hosts}: {host!r} is no HOST:PORT; expected e.g. node1:2222"
                )
        twice = sorted({host for host in self.hosts if self.hosts.count(host) > 1})
        if twice:
            raise UserError(f"--worker_hosts={self.worker_hosts}: {twice[0]} comes twice; expected an address a worker")
        if self.task_index >= self.count:
            raise UserError(
                f"--task_index={self.task_index}: expected 0 to {self.count - 1}, a place in "
                f"--worker_hosts={self.worker_hosts}"
            )

    @property
    def hosts(self) -> list[str]:
        """The addresses HOST:PORT, one for each worker; [] of a process alone."""
        return self.worker_hosts.split(",") if self.worker_hosts else []

    @property
    def count(self) -> int:
        """How many workers there are, at least 1."""
        return max(1, len(self.hosts))

    @property
    def is_chief(self) -> bool:
        """Whether this worker writes the run directory."""
        return self.task_index == 0


@dataclasses.dataclass(frozen=True)
class TowersConfig(WorkersConfig):
    """Of the spaces of images, in which one process trains on several GPUs."""

    num_gpus: int = option(
        0,
        "GPUs of this process to train on, each with a batch of --batch_size, in a search on an arc of its own. 0: all that "
        "there are.",
        0,
        64,
        flexible=True,
    )


@dataclasses.dataclass(frozen=True)
class TrainWorkersConfig(TowersConfig):
    """Of the training of one arc, whose workers all train the same network."""

    sync_batch_norm: bool = option(
        False,
        "Let batch norms use the statistics of all workers' batches together, at the price of two more exchanges for each: "
        "for batches of a few images.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sync_batch_norm and self.count == 1:
            raise UserError("--sync_batch_norm: needs --worker_hosts, whose batches it joins")


def check_alone(config: WorkersConfig, flag: str) -> None:
    """Checks that a program that does what `flag` says was not started as one of several workers.

    Raises:
      UserError: it was.
    """
    if config.count > 1:
        raise UserError(f"--{flag} is done by one process; leave --worker_hosts={config.worker_hosts} or TF_CONFIG out")


def of_environment(settings: type[Any], given: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """The flags that TF_CONFIG says, as TensorFlow's own programs read it: {flag: value}.

    It is JSON, `{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}`. A cluster may have a
    "chief" beside its workers, which is then worker 0.

    Args:
      settings: the config class of the run.
      given: {flag: value} of the flags that are on the command line.
      environment: the environment variables.

    Raises:
      UserError: it is no such JSON, has other kinds of tasks, or the flags are given as well; or the run's space has no
        training by several workers.
    """
    text = environment.get("TF_CONFIG", "")
    if not text:
        return {}
    if "workers" not in {section.name for section in dataclasses.fields(settings)}:
        raise UserError(f"TF_CONFIG is set, but a run of the {settings.space} space is one process's; unset it")
    both = [f"--{name}" for name in ("worker_hosts", "task_index") if name in given]
    if both:
        raise UserError(
            f"{both[0]} and the environment's TF_CONFIG both say who the workers are; leave one of them out"
        )
    try:
        found = json.loads(text)
        cluster, task = found["cluster"], found["task"]
        chiefs, workers = cluster.get("chief", []), cluster.get("worker", [])
        kind, index = task["type"], task["index"]
        good = all(isinstance(host, str) and "," not in host for host in chiefs + workers) and type(index) is int
        good = good and isinstance(chiefs, list) and isinstance(workers, list) and len(chiefs) <= 1
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        good = False
    if not good:
        raise UserError(
            f"TF_CONFIG={text[:200]}: expected JSON such as "
            '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
        )
    if kind not in ("chief", "worker") or not cluster.get(kind):
        raise UserError(
            f"TF_CONFIG: the task's type is {kind!r}; expected chief or worker, and one that is in its cluster"
        )
    if not 0 <= index < len(cluster[kind]):
        raise UserError(
            f"TF_CONFIG: the task's index is {index}; expected 0 to {len(cluster[kind]) - 1} of type {kind}"
        )
    place = index + (len(chiefs) if kind == "worker" else 0)
    return {"worker_hosts": ",".join(chiefs + workers), "task_index": place}

"""The workers of a run: their server, what they tell each other between steps, and what happens when one is lost.

Each worker is a process with a graph, variables and a session of its own. They meet in the collectives of their steps, and
between steps in `agree`. So all of them do the same steps, stop after the same step, and hold the same values.
"""

import contextlib
import dataclasses
import json
import sys
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from enas.distributed import collectives, watch
from enas.errors import UserError
from enas.options import config as configs
from enas.options.workers import WorkersConfig
from enas.types import Session

JOB = "worker"
_SLOT = 256  # whole numbers that a worker can tell the others at once
# Flags in which workers may differ: where they are, and where they find files.
_OWN = ("task_index", "output_dir", "reset_output_dir", "data_dir", "arc_file", "init_from")


@dataclasses.dataclass(frozen=True)
class Agreed:
    """What the workers agreed on between two units.

    Attributes:
      stop: (index of a worker, number of the signal it got) of the first worker that has to stop; None: none has.
      over: the chief's phase, or its run, is over.
      out_of_time: the chief's time is over.
      minutes: the chief's minutes.
      values: float64 `[count, n]`, what each worker told the others.
    """

    stop: tuple[int, int] | None
    over: bool
    out_of_time: bool
    minutes: float
    values: np.ndarray


class Workers:
    """The workers of a run, as one of them sees them; of a process alone, that process. Use `joined`.

    Attributes:
      index, count, is_chief: which one this is.
    """

    def __init__(self, config: WorkersConfig) -> None:
        self.config, self.index, self.count, self.is_chief = config, config.task_index, config.count, config.is_chief
        self.target, self.session_config = "", tf.ConfigProto()
        self._watch: watch.Watch | None = None
        self._session: Any = None
        if self.count > 1:
            self._start()

    def _start(self) -> None:
        own, hosts = self.config.hosts[self.index], self.config.hosts
        experimental = self.session_config.experimental
        experimental.collective_group_leader = f"/job:{JOB}/replica:0/task:0"
        # A session of a worker never asks for another one's devices.
        self.session_config.device_filters.append(f"/job:{JOB}/task:{self.index}")
        try:
            # Not kept: TensorFlow holds it, and it ends with the process.
            self.target = tf.train.Server(
                tf.train.ClusterSpec({JOB: hosts}), JOB, self.index, config=self.session_config
            ).target
        except tf.errors.OpError:
            raise UserError(
                f"--task_index={self.index}: no server could be started at {own}; another worker with this index, or "
                "another program, has the port, or the address is not of this machine"
            ) from None
        if silent := watch.missing(hosts, self.config.worker_timeout):
            named = ", ".join(f"worker {index} at {hosts[index]}" for index in silent)
            raise UserError(
                f"--worker_hosts: no answer from {named} within {self.config.worker_timeout:g} seconds "
                "(--worker_timeout); expected every worker to be started with its own --task_index"
            )
        port = own.rpartition(":")[2]
        if watch.status(own, self.config.worker_timeout) != watch.status(
            f"localhost:{port}", self.config.worker_timeout
        ):
            raise UserError(
                f"--task_index={self.index}: {own} is the address of another process than this one; expected the place of "
                "this machine in --worker_hosts"
            )
        others = {index: host for index, host in enumerate(hosts) if index != self.index}
        self._watch = watch.Watch(others, self.config.worker_timeout, self._tell_lost)

    def device(self) -> Any:
        """The context in which a graph is built, so that all of it lies on this worker."""
        return tf.device(f"/job:{JOB}/task:{self.index}") if self.count > 1 else contextlib.nullcontext()

    def build(self, values: int) -> None:
        """Adds to the graph, whose variables are all there, what the workers need between steps.

        Args:
          values: how many numbers each worker can tell the others in `agree`.
        """
        if self.count == 1:
            return
        self._values = values
        variables = tf.get_collection(tf.GraphKeys.GLOBAL_VARIABLES)
        with tf.device("/cpu:0"):
            self._told = tf.placeholder(tf.float64, [3 + self.count * (1 + values)])
            self._sum = collectives.total(self._told, self.count)
            self._told_whole = tf.placeholder(tf.int64, [self.count * _SLOT])
            self._whole = collectives.total(self._told_whole, self.count)
            self._share = collectives.same_as_chief(variables, self.is_chief, self.count)
            self._digest = collectives.digest(variables)

    def opened(self, session: Session) -> None:
        """Takes the session in which all of this runs."""
        self._session = session

    def agree(
        self,
        over: bool = False,
        out_of_time: bool = False,
        minutes: float = 0.0,
        stop: int = 0,
        values: Sequence[float] = (),
    ) -> Agreed:
        """Tells the other workers how this one stands, waits for them, and returns what all of them know then.

        Args:
          over, out_of_time, minutes: count if this is the chief.
          stop: the number of a signal that this process got; 0: none.
          values: numbers for the others, at most as many as `build` was told.
        """
        if self.count == 1:
            return Agreed((0, stop) if stop else None, over, out_of_time, minutes, np.array([values], np.float64))
        told = np.zeros([3 + self.count * (1 + self._values)])
        if self.is_chief:
            told[:3] = over, out_of_time, minutes
        stops, slots = told[3 : 3 + self.count], told[3 + self.count :].reshape(self.count, -1)
        stops[self.index] = stop
        slots[self.index, : len(values)] = values
        found = self._session.run(self._sum, {self._told: told})
        stops, slots = found[3 : 3 + self.count], found[3 + self.count :].reshape(self.count, -1)
        stopped = [(index, int(number)) for index, number in enumerate(stops) if number]
        agreed = slots[:, : len(values)]
        return Agreed(stopped[0] if stopped else None, bool(found[0]), bool(found[1]), float(found[2]), agreed)

    def chiefs(self, text: str) -> str:
        """Returns the chief's text on all workers."""
        if self.count == 1:
            return text
        data, room = text.encode(), self.count * _SLOT
        size = int(self._whole_numbers([len(data)])[0])
        found = b""
        while len(found) < size:
            found += bytes(self._whole_numbers(list(data[len(found) : len(found) + room])).astype(np.uint8))
        return found[:size].decode()

    def _whole_numbers(self, numbers: Sequence[int]) -> np.ndarray:
        """The chief's whole numbers, padded with zeros, on all workers."""
        told = np.zeros([self.count * _SLOT], np.int64)
        if self.is_chief:
            told[: len(numbers)] = numbers
        found: np.ndarray = self._session.run(self._whole, {self._told_whole: told})
        return found

    def _gathered(self, numbers: Sequence[int]) -> np.ndarray:
        """What each worker says, int64 `[count, len(numbers)]`."""
        told = np.zeros([self.count, _SLOT], np.int64)
        told[self.index, : len(numbers)] = numbers
        found = self._session.run(self._whole, {self._told_whole: told.ravel()})
        rows: np.ndarray = found.reshape(self.count, _SLOT)[:, : len(numbers)]
        return rows

    def share_variables(self) -> None:
        """Gives all workers the chief's values of all variables."""
        if self.count > 1:
            self._session.run(self._share)

    def check_alike(self, config: Any, data: Any) -> None:
        """Checks that all workers were started with the same flags and have the same data.

        Args:
          config: the run's config.
          data: what the data are, as JSON values.

        Raises:
          UserError: names the first flag that differs, or the data, and the workers; on all workers.
        """
        if self.count == 1:
            return
        values = {name: value for name, value in configs.to_values(config).items() if name not in _OWN}
        names = sorted(values)
        crcs = [zlib.crc32(repr(values[name]).encode()) for name in names]
        of_data = zlib.crc32(json.dumps(data, sort_keys=True).encode())
        found = self._gathered([zlib.crc32(" ".join(names).encode()), of_data, *crcs])
        for column, what in enumerate(["the version of the program", "the data", *(f"--{name}" for name in names)]):
            others = np.flatnonzero(found[:, column] != found[0, column])
            if len(others):
                raise UserError(
                    f"{what} of worker {others[0]} is not that of worker 0; expected the same on all workers"
                    + (f" (here {what}={values[what[2:]]})" if what[:2] == "--" else "")
                )

    def check_in_step(self) -> None:
        """Checks that all workers hold the same values.

        Raises:
          UserError: they do not; on all workers.
        """
        if self.count == 1:
            return
        found = self._gathered([int(self._session.run(self._digest))])[:, 0]
        others = np.flatnonzero(found != found[0])
        if len(others):
            raise UserError(
                f"the weights of worker {others[0]} at {self.config.hosts[others[0]]} are not those of worker 0 any more; "
                "expected machines that compute alike; the last checkpoint is kept"
            )

    def left(self) -> None:
        """Watches no more over the other workers: from here on each goes its own way."""
        if self._watch:
            self._watch.close()

    @contextlib.contextmanager
    def loss_told(self) -> Iterator[None]:
        """A context in which an error that the loss of a worker brings about becomes the error that says so.

        Raises:
          UserError: names the lost worker.
        """
        try:
            yield
        except tf.errors.OpError:
            lost = self._watch.wait_for_lost() if self._watch else None
            if lost is None:
                raise
            raise UserError(self._lost(lost)) from None
        finally:
            self.left()

    def _lost(self, index):
        return (
            f"worker {index} at {self.config.hosts[index]} is gone, or did not answer for {self.config.worker_timeout:g} "
            "seconds (--worker_timeout); the last checkpoint is kept: start all workers again to go on from it"
        )

    def _tell_lost(self, index: int) -> None:
        print(f"error: {self._lost(index)}", file=sys.stderr)

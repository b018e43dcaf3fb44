"""A run of the main loop whose variables and checkpoints are plain Python, with moments to crash at."""

import copy
import os
import signal
from types import SimpleNamespace

from enas import signals
from enas.distributed.workers import Workers
from enas.micro.config import SearchConfig
from enas.options.config import RunConfig
from enas.options.workers import WorkersConfig
from enas.runs import run_directory
from enas.runs.loop import Loop
from enas.runs.phases import evaluation

EPOCHS = 3
# Of a process alone: its steps have one batch.
ALONE = Workers(WorkersConfig())
GRAPH = SimpleNamespace(training=SimpleNamespace(replicas=1))
TASK = SimpleNamespace(METRIC=SimpleNamespace(name="accuracy"), ADVICE="something else")


def context(config, run, last):
    """The run that a loop goes through, with `last` in the place of its checkpoints."""
    return SimpleNamespace(config=config, run=run, session=None, last=last, task=TASK, workers=ALONE, graph=GRAPH)


class Crash(BaseException):
    """The process is gone."""


class World:
    """What outlives a process: a run directory and checkpoints; and a run of three phases with moments to crash at.

    Args:
      path: the run directory.
      minutes: --checkpoint_every_minutes.
      crashes: moments, counted over all processes, at which the process is gone.
      signal_at: moment at which it gets a SIGTERM.
      enough: number of scored arcs from which on no more epochs are wanted.
    """

    def __init__(self, path, minutes=0.0, crashes=(), signal_at=None, enough=1e9):
        self.path, self.minutes, self.crashes, self.signal_at = path, minutes, crashes, signal_at
        self.enough = enough
        self.moments, self.checkpoints, self.x = 0, [], 0

    def save(self, _session, metadata):
        self.moment()
        self.checkpoints.append((self.x, copy.deepcopy(metadata)))
        self.moment()

    def restore(self, _session):
        if not self.checkpoints:
            return None
        self.x, metadata = copy.deepcopy(self.checkpoints[-1])
        return "last-1", metadata

    def moment(self):
        self.moments += 1
        if self.moments - 1 in self.crashes:
            raise Crash
        if self.moments - 1 == self.signal_at:
            os.kill(os.getpid(), signal.SIGTERM)

    def process(self):
        """One process, up to its end or to its crash."""
        self.x = 1
        config = SearchConfig(
            run=RunConfig(output_dir=str(self.path), num_epochs=EPOCHS, checkpoint_every_minutes=self.minutes)
        )
        with signals.noted(), run_directory.open_run(config, "search") as self.run:
            self.loop = Loop(context(config, self.run, self))
            self.loop.epochs([self.train, self.score, self.evaluate], self.is_over)

    def is_over(self):
        return len(self.run.read("arcs.jsonl")) >= self.enough

    def train(self, epoch, unit):
        for i in range(unit, 3):
            self.moment()
            self.x = self.x * 7 % 1000 + epoch + i
            self.moment()
            self.run.append("metrics.jsonl", {"kind": "child", "epoch": epoch, "step": i, "x": self.x})
            self.moment()
            yield

    def score(self, epoch, unit):
        for i in range(unit, 2):
            self.moment()
            signals.check()
            self.run.append("arcs.jsonl", {"epoch": epoch, "arc": i, "x": self.x})
            yield

    def evaluate(self, epoch, _unit):
        def accuracy(name):
            self.moment()
            signals.check()
            return self.x + len(name) / 10

        def finished(figures):
            self.run.append("metrics.jsonl", {"kind": "child", "epoch": epoch, **figures})

        yield from evaluation(self.loop, accuracy, finished)

    def outcome(self):
        """Runs processes until one ends by itself; returns all that is to be the same."""
        while True:
            try:
                self.process()
                break
            except (Crash, signals.Stopped):
                continue
        return self.x, {name: (self.path / name).read_bytes() for name in ("metrics.jsonl", "arcs.jsonl")}

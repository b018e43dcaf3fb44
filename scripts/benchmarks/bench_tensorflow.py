"""The sides of the benchmark that run on this project's code: the search, the classic supernet, one fixed arc."""

import dataclasses
from typing import Any

from enas import collector
from enas.commands import cli
from enas.distributed.workers import Workers
from enas.micro.config import SearchConfig, TrainConfig
from enas.options import config
from scripts.benchmarks import bench_arcs


class _Silent:
    """Stands in for a run directory and a loop, where the search logs."""

    events = property(lambda self: self)

    def shared(self, values):
        """Returns the values of all workers, of which there is one."""
        return values

    def __getattr__(self, name):
        return lambda *_, **__: 0.0


def _config(config_class, values):
    known = {name for name, _, _ in config.options(config_class)}
    values = {name: value for name, value in values.items() if name in known}
    return config.from_values(config_class, values)


class Search:
    """The search's own graph and loops, started in the order that the search starts in."""

    def __init__(self, values: dict[str, Any], clock: Any) -> None:
        cli.load_tensorflow()
        import tensorflow.compat.v1 as tf

        from enas.micro.space import SPACE as space
        from enas.runs import search, session

        clock.mark("import_s")
        one_update = {**values, "controller_train_steps": 1}
        self.config, self.values, self.step = _config(SearchConfig, one_update), values, 0
        session.graph_mode()
        data = bench_arcs.dataset(values["seed"], values["batch_size"], values["image_size"])
        with collector.paused():
            self.graph = search.build(self.config, self.space(space), data)
            initialize = tf.global_variables_initializer()
        clock.mark("graph_build_s")
        self.session = session.open_session()
        self.session.run(initialize)
        run = _Silent()
        none = {"last": None, "best": None, "limit": None, "workers": Workers(self.config.workers)}
        context = session.RunContext(self.config, space.task, run, data, self.graph, self.session, **none)
        self.search = search.Search(space, context, run)
        clock.mark("initialize_s")
        # As an epoch begins: `child` draws its own arcs, so that all sides run the same ones.
        self.search.child_arcs(range(self.graph.training.per_epoch), self.config.controller.warmup_epochs > 0)
        clock.mark("first_arcs_s")

    def space(self, space: Any) -> Any:
        """The search space that is built."""
        return space

    def child(self) -> None:
        """One step of the shared weights on a new arc."""
        arc = bench_arcs.random_arc(self.values["seed"], self.step, self.config.child)
        training, update = self.graph.training, self.graph.training.update
        fetches = [
            training.loss,
            update.grad_norm,
            training.batch_metric,
            update.loss_scale,
            update.finite_check.finite,
            update.op,
        ]
        self.session.run(fetches, {training.rate: 0.05, self.graph.arc: bench_arcs.array(arc)})
        self.step += 1

    def controller(self) -> None:
        """One update of the controller: arcs sampled, each rewarded on a batch, one REINFORCE step."""
        for _ in self.search.train_controller(0, 0):
            pass


class Classic(Search):
    """The same search over a supernet that computes every op and picks one."""

    def space(self, space: Any) -> Any:
        """The micro space with the classic child."""
        from enas.interfaces import Network
        from scripts.benchmarks import classic_supernet

        network = Network(classic_supernet, space.controller, space.task)
        return dataclasses.replace(space, load=lambda: network)


class Fixed:
    """The training of one arc."""

    def __init__(self, values: dict[str, Any], clock: Any) -> None:
        cli.load_tensorflow()
        import tensorflow.compat.v1 as tf

        from enas.micro.space import SPACE as space
        from enas.runs import session, train

        clock.mark("import_s")
        settings = _config(TrainConfig, values)
        session.graph_mode()
        data = bench_arcs.dataset(values["seed"], values["batch_size"], values["image_size"])
        arc = bench_arcs.random_arc(values["seed"], 0, settings.child)
        with collector.paused():
            self.graph = train.build(settings, arc, space, data)
            initialize = tf.global_variables_initializer()
        clock.mark("graph_build_s")
        self.session = session.open_session()
        self.session.run(initialize)
        self.graph.training.start(self.session)
        self.graph.scorer.start(self.session)
        clock.mark("initialize_s")

    def child(self) -> None:
        """One training step."""
        training = self.graph.training
        self.session.run([training.loss, training.correct, training.update.op], {training.rate: 0.05})

    def evaluate(self) -> None:
        """One evaluation: the accuracy on all test images."""
        self.graph.scorer.score(self.session, "test")

"""The sides of the benchmark that run on this project's code: the search, the classic supernet, one fixed arc."""

import bench_arcs

from enas import config
from enas.micro.config import SearchConfig, TrainConfig


class _Silent:
    """Stands in for a run directory where a loop logs."""

    def __init__(self):
        self.events = self

    def log(self, line=""):
        """Drops a line."""

    def append(self, name, record):
        """Drops a record."""

    def scalars(self, step, **values):
        """Drops figures."""

    def minutes(self):
        """No time has passed."""
        return 0.0


def _config(config_class, values):
    known = {name for name, _, _ in config.options(config_class)}
    values = {name: value for name, value in values.items() if name in known}
    return config.from_values(config_class, values)


class Search:
    """The search's own graph and loops, started in the order that the search starts in."""

    def __init__(self, values, clock):
        import tensorflow.compat.v1 as tf

        from enas import search, session
        from enas.micro import space

        clock.mark("import_s")
        one_update = {**values, "controller_train_steps": 1}
        self.config, self.values, self.step = _config(SearchConfig, one_update), values, 0
        session.graph_mode()
        data = bench_arcs.dataset(values["seed"], values["batch_size"], values["image_size"])
        self.graph = search.build(self.config, self.space(space), data)
        initialize = tf.global_variables_initializer()
        clock.mark("graph_build_s")
        self.session = session.open_session()
        self.session.run(initialize)
        self.search = search.Search(self.config, space, _Silent(), self.graph, self.session)
        self.search.start()
        clock.mark("initialize_s")

    def space(self, space):
        """The search space that is built."""
        return space

    def child(self):
        """One step of the shared weights on a new arc."""
        training, arc = (
            self.graph.training,
            bench_arcs.random_arc(self.values["seed"], self.step, self.config.child.num_cells),
        )
        update = training.update
        fetches = [training.loss, update.grad_norm, training.correct, update.loss_scale, update.skipped, update.op]
        self.session.run(fetches, {training.rate: 0.05, self.graph.arc: bench_arcs.array(arc)})
        self.step += 1

    def controller(self):
        """One update of the controller: arcs sampled, each rewarded on a batch, one REINFORCE step."""
        self.search.train_controller(0)


class Classic(Search):
    """The same search over a supernet that computes every op and picks one."""

    def space(self, space):
        """The micro space with the classic child."""
        import types

        import classic_supernet

        return types.SimpleNamespace(child=classic_supernet, controller=space.controller)


class Fixed:
    """The training of one arc."""

    def __init__(self, values, clock):
        import tensorflow.compat.v1 as tf

        from enas import session, train
        from enas.micro import space

        clock.mark("import_s")
        settings = _config(TrainConfig, values)
        session.graph_mode()
        data = bench_arcs.dataset(values["seed"], values["batch_size"], values["image_size"])
        arc = bench_arcs.random_arc(values["seed"], 0, settings.child.num_cells)
        self.graph = train.build(settings, arc, space, data)
        initialize = tf.global_variables_initializer()
        clock.mark("graph_build_s")
        self.session = session.open_session()
        self.session.run(initialize)
        for stream in (self.graph.training.stream, self.graph.streams["valid"]):
            stream.restart(self.session)
        self.handle = self.session.run(self.graph.streams["valid"].iterator.string_handle())
        clock.mark("initialize_s")

    def child(self):
        """One training step."""
        training = self.graph.training
        self.session.run([training.loss, training.correct, training.update.op], {training.rate: 0.05})

    def evaluate(self):
        """One batch of an evaluation."""
        scoring = self.graph.scoring
        self.session.run([scoring.correct, scoring.counted], {scoring.handle: self.handle})

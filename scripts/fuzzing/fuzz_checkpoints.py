"""Fuzz targets: checkpoints that are damaged, and whole ones that are of something else."""

import dataclasses
import functools
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from enas.commands import cli
from enas.micro import config as micro_config
from enas.options import config as configs
from enas.runs import run_directory
from scripts.fuzzing.fuzz_inputs import INTERESTING, mutated

SHAPES = {"matrix": (2, 3), "step": (), "vector": (50,)}
TYPES = {"matrix": np.float32, "step": np.int64, "vector": np.float32}
OTHER_SHAPES = ((), (0,), (50,), (51,), (1, 50), (5, 10), (2, 3), (3, 2), (6,), (2, 3, 1), (1,) * 9, (4096,))
OTHER_TYPES = (np.float32, np.float64, np.float16, np.int64, np.int32, np.bool_)
OTHER_NAMES = ("matrix", "step", "vector", "gone", "vector/Momentum", "a" * 300, "ü\n")
WRONG = (
    None,
    [],
    {},
    "x",
    "\ud800",
    -1,
    0.5,
    True,
    float("nan"),
    -float("inf"),
    10**400,
    {"a": [1]},
    {"a": "b"},
    *INTERESTING,
)


class _Network:
    """Three variables, a session, and the checkpoints of a run in `root`; TensorFlow is there from the first one on."""

    def __init__(self, root):
        cli.load_tensorflow()
        import tensorflow.compat.v1 as tf

        from enas.runs import session
        from enas.runs.checkpoints import Checkpoints

        session.graph_mode()
        with tf.Graph().as_default() as graph:
            self.variables = {
                name: tf.get_variable(name, shape, TYPES[name], tf.zeros_initializer(), use_resource=True)
                for name, shape in SHAPES.items()
            }
            self.values = {name: tf.placeholder(TYPES[name], shape) for name, shape in SHAPES.items()}
            self.assign = tf.group(*[v.assign(self.values[name]) for name, v in self.variables.items()])
            self.prefix, self.names = tf.placeholder(tf.string, []), tf.placeholder(tf.string, [len(SHAPES)])
            self.saver = tf.train.Saver(max_to_keep=None)
        self.graph, self.session = graph, tf.Session(graph=graph)
        config = configs.from_values(micro_config.SearchConfig, {"output_dir": str(root)})
        self.config, self.run = config, run_directory.open_run(config, "search")
        self.run.log = lambda _: None
        self.last = Checkpoints(self.run, "last", self.saver)
        self.folder = root / "checkpoints"

    def fill(self, values):
        """Gives all variables their values: {name: array}."""
        self.session.run(self.assign, {self.values[name]: value for name, value in values.items()})

    def read(self):
        """{name: array} of the variables."""
        return self.session.run(self.variables)

    @functools.cache  # noqa: B019
    def writer(self, types):
        """(operation, placeholders) that write tensors of these types, under any names and of any shapes."""
        import tensorflow.compat.v1 as tf

        with self.graph.as_default():
            tensors = [tf.placeholder(kind, None) for kind in types]
            slices = [""] * len(types)
            return tf.raw_ops.SaveV2(
                prefix=self.prefix, tensor_names=self.names, shape_and_slices=slices, tensors=tensors
            ), tensors

    def write(self, path, tensors):
        """Writes a checkpoint's tensors as the Saver does; `tensors` is [(name, array)]."""
        op, placeholders = self.writer(tuple(array.dtype.type for _, array in tensors))
        feeds = dict(zip(placeholders, (array for _, array in tensors), strict=True))
        names = [name for name, _ in tensors]
        self.session.run(op, {self.prefix: path, self.names: names, **feeds})


def damaged() -> Callable:
    """Two checkpoints, of which one or both are damaged: what is restored is one of them, whole."""
    state = {}

    def prepare(root):
        network = state["network"] = _Network(root)
        for number in (1, 2):
            network.fill(_values(number))
            network.last.save(network.session, {"value": number, "sizes": {}})
        state["files"] = {path: path.read_bytes() for path in network.folder.iterdir()}

    def target(rng, root):
        if not state:
            prepare(root)
        for path, data in state["files"].items():
            path.write_bytes(data)
        for path in rng.sample(sorted(state["files"]), rng.choice((1, 1, 2))):
            path.write_bytes(mutated(rng, state["files"][path], list(state["files"].values())))

        def run():
            network = state["network"]
            _, metadata = network.last.restore(network.session)
            _assert_same(network.read(), _values(metadata["value"]))

        return run

    return target


def other() -> Callable:
    """A checkpoint whose checksums are right, but which is of another network, tells of impossible positions, or was damaged
    before it was committed: it is refused, or it is restored as it was stored and the run can go on."""
    state = {}

    def target(rng, root):
        network = state["network"] = state.get("network") or _Network(root)
        for path in network.folder.iterdir():
            path.unlink()
        kind = rng.choice(("tensors", "tensors", "facts", "damage"))
        tensors = list(_values(rng.randrange(100)).items())
        if kind == "tensors":
            tensors = _other_tensors(rng, tensors)
        fits = {name: (array.shape, array.dtype.type) for name, array in tensors}
        fits = all(fits.get(name) == (SHAPES[name], TYPES[name]) for name in SHAPES)

        def save(_session, path, **_):
            network.write(path, tensors)
            if kind == "damage":
                victim = rng.choice(sorted(network.folder.iterdir()))
                victim.write_bytes(mutated(rng, victim.read_bytes()))

        network.last.saver = SimpleNamespace(save=save)
        network.last.save(network.session, _other_metadata(rng) if kind == "facts" else _metadata())
        network.last.saver = network.saver

        def run():
            _go_on(network)
            assert fits
            _assert_same(network.read(), dict(tensors))

        return run

    return target


def _values(number):
    """{name: array} of all variables, told by a number."""
    return {name: np.full(shape, number, TYPES[name]) for name, shape in SHAPES.items()}


def _assert_same(found, expected):
    assert all(np.array_equal(found[name], expected[name]) for name in SHAPES)


def _other_tensors(rng, tensors):
    """Gives one to three tensors other names, shapes or types; no name is there twice."""
    for index in rng.sample(range(len(tensors)), rng.choice((1, 1, 2, 3))):
        name, array = tensors[index]
        what = rng.randrange(3)
        if what == 0:
            name = rng.choice([other for other in OTHER_NAMES if other not in dict(tensors)])
        elif what == 1:
            array = np.ones(rng.choice(OTHER_SHAPES), array.dtype)
        else:
            array = array.astype(rng.choice(OTHER_TYPES))
        tensors[index] = name, array
    return tensors


def _metadata():
    from enas.runs.position import Position

    return dataclasses.asdict(Position(epoch=1, unit=3, bad_steps={"child": 1}, sizes={"arcs.jsonl": 0}))


def _other_metadata(rng):
    """What a checkpoint says of the moment, with one or two values that no run stores."""
    metadata = _metadata()
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(sorted(metadata))
        if isinstance(metadata[name], dict) and rng.random() < 0.5:
            metadata[name] = {rng.choice(("child", "arcs.jsonl", "../outside", "\0", "x")): rng.choice(WRONG)}
        else:
            metadata[name] = rng.choice(WRONG)
    return rng.choice(WRONG) if rng.random() < 0.1 else metadata


def _go_on(network):
    """What a run does first: it takes up the newest checkpoint's position, cuts its records, and judges a step."""
    from enas.distributed.workers import Workers
    from enas.runs.loop import Loop

    loop = Loop(
        SimpleNamespace(
            config=network.config,
            run=network.run,
            session=network.session,
            last=network.last,
            task=None,
            workers=Workers(network.config.workers),
            graph=SimpleNamespace(training=SimpleNamespace(replicas=1, per_epoch=7, go_to=lambda *_: None)),
        )
    )
    loop.count_bad_step("child", 1, SimpleNamespace(names=("the loss",)), np.array([True]))
    loop.count_bad_step("controller", 1, SimpleNamespace(names=("the loss",)), np.array([False]))

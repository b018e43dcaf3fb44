"""Checkpoints: whole or not there."""

import os
import resource

import pytest
import tensorflow.compat.v1 as tf

from enas.errors import UserError
from enas.micro.config import SearchConfig
from enas.options.config import RunConfig
from enas.runs import run_directory
from enas.runs.checkpoints import Checkpoints

pytestmark = pytest.mark.usefixtures("graph")


class Setup:
    """A run with one variable of 1,000 numbers and its checkpoints."""

    def __init__(self, path, start):
        self.path = path
        self.run = run_directory.open_run(SearchConfig(run=RunConfig(output_dir=str(path))), "search")
        self.variable = tf.get_variable("v", [1000], tf.float32, tf.zeros_initializer(), use_resource=True)
        self.value = tf.placeholder(tf.float32, [])
        self.assign = self.variable.assign(tf.fill([1000], self.value))
        self.saver = tf.train.Saver(max_to_keep=None)
        self.checkpoints = Checkpoints(self.run, "last", self.saver)
        self.session = start()

    def save(self, value, **metadata):
        self.session.run(self.assign, {self.value: value})
        self.checkpoints.save(self.session, {"value": value, **metadata})

    def restored(self):
        """The value that a restored checkpoint's variable and metadata agree on."""
        self.session.run(self.assign, {self.value: -1})
        path, metadata = self.checkpoints.restore(self.session)
        assert os.path.exists(f"{path}.json")
        assert set(self.session.run(self.variable)) == {metadata["value"]}
        return metadata["value"]

    def files(self):
        return sorted(os.listdir(self.path / "checkpoints"))


@pytest.fixture
def setup(tmp_path, start):
    setup = Setup(tmp_path / "run", start)
    yield setup
    setup.run.close()


def names(*numbers):
    return [f"last-{n}.{kind}" for n in numbers for kind in ("data-00000-of-00001", "index", "json")]


def test_the_newest_of_two_kept_is_restored(setup):
    assert setup.checkpoints.restore(setup.session) is None
    for value in (1, 2, 3):
        setup.save(value)
        assert setup.restored() == value
    assert setup.files() == names(2, 3)


def test_two_names_do_not_mix(setup):
    setup.save(1)
    Checkpoints(setup.run, "best", setup.saver).save(setup.session, {"value": 7})
    setup.save(2)
    assert setup.restored() == 2
    assert setup.files() == sorted(names(1, 2) + [name.replace("last", "best") for name in names(1)])


def test_numbers_are_compared_as_numbers(setup):
    for value in range(1, 12):
        setup.save(value)
    assert setup.restored() == 11 and setup.files() == names(10, 11)


DAMAGES = {
    "truncated": lambda path: os.truncate(path, os.path.getsize(path) // 2),
    "emptied": lambda path: os.truncate(path, 0),
    "deleted": os.remove,
    "a byte changed": lambda path: path.write_bytes(path.read_bytes()[:-30] + b"\x7f" + path.read_bytes()[-29:]),
    "garbage": lambda path: path.write_bytes(b"\xff\x00garbage"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", names(2))
def test_a_damaged_newest_checkpoint_is_reported_and_the_one_before_it_used(setup, name, damage):
    setup.save(1)
    setup.save(2)
    DAMAGES[damage](setup.path / "checkpoints" / name)
    assert setup.restored() == 1
    if (damage, name) != ("deleted", "last-2.json"):  # which is how a checkpoint looks that was never finished
        log = (setup.path / "stdout").read_text()
        assert f"{setup.path}/checkpoints/last-2 is not whole" in log and "trying the one before it" in log
    setup.save(3)
    assert setup.restored() == 3


def test_a_checkpoint_that_knows_of_records_which_are_gone_is_not_whole(setup):
    setup.run.append("arcs.jsonl", {"x": 1})
    setup.save(1, sizes=setup.run.sizes())
    setup.run.append("arcs.jsonl", {"x": 2})
    setup.save(2, sizes=setup.run.sizes())
    assert setup.restored() == 2
    os.truncate(setup.run.file("arcs.jsonl"), 10)
    assert setup.restored() == 1
    assert "arcs.jsonl has lost what it held: 10 bytes, expected 18" in (setup.path / "stdout").read_text()


@pytest.mark.parametrize("metadata", [5, None, [], {"sizes": 5}, {"sizes": [1]}, {"sizes": {"arcs.jsonl": "5"}}])
def test_a_checkpoint_that_tells_nonsense_is_not_whole(setup, metadata):
    setup.save(1)
    setup.checkpoints.save(setup.session, metadata)
    assert setup.restored() == 1


def test_where_no_checkpoint_is_whole_the_run_does_not_begin_anew(setup):
    setup.save(1)
    setup.save(2)
    for name in names(1, 2):
        os.truncate(setup.path / "checkpoints" / name, 3)
    with pytest.raises(UserError, match="none of the 2 checkpoints called last is whole"):
        setup.checkpoints.restore(setup.session)
    assert setup.files() == names(1, 2)


def test_a_checkpoint_of_another_network_is_refused(setup):
    setup.save(1)
    for shape, name in (([999], "v"), ([1000, 1], "v"), ([1000], "w")):
        with tf.Graph().as_default(), tf.Session() as session:
            tf.get_variable(name, shape, tf.float32, tf.zeros_initializer(), use_resource=True)
            other = Checkpoints(setup.run, "last", tf.train.Saver(max_to_keep=None))
            with pytest.raises(UserError, match="last-1: does not fit the network that the flags describe") as error:
                other.restore(session)
            assert "\n" not in str(error.value)


def test_a_checkpoint_with_another_type_is_refused_by_name(setup):
    setup.save(1)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("v", [1000], tf.int64, tf.zeros_initializer(), use_resource=True)
        other = Checkpoints(setup.run, "last", tf.train.Saver(max_to_keep=None))
        with pytest.raises(
            UserError, match="last-1: does not fit .* [(]tensor_name = v; expected dtype int64 does not"
        ):
            other.restore(session)


def test_a_crash_while_saving_leaves_the_one_before_and_the_next_save_cleans_up(setup, monkeypatch):
    setup.save(1)
    with monkeypatch.context() as patch:

        def crash(*_):
            raise KeyboardInterrupt

        patch.setattr(os, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            setup.save(2)
    (setup.path / "checkpoints" / "last-2.data-00000-of-00001.tempstate123").write_bytes(b"half")
    assert setup.restored() == 1
    setup.save(3)
    assert setup.files() == names(1, 3)
    assert setup.restored() == 3


def test_a_full_disk_is_one_line_and_leaves_the_one_before(setup):
    setup.save(1)
    before = setup.files()
    for limit in (3000, 100):  # less than the tensors, less than the index
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            with pytest.raises(UserError, match="last-2.*: can't be written: File too large; make room and") as error:
                setup.save(2)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert "\n" not in str(error.value)
        assert setup.files() == before
    assert setup.restored() == 1
    setup.save(2)
    assert setup.restored() == 2

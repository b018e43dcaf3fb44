"""Who the workers are: the flags, and TensorFlow's own environment variable."""

import dataclasses
import json

import pytest

from enas import spaces
from enas.errors import UserError
from enas.options import workers
from enas.options.workers import TrainWorkersConfig, WorkersConfig

MICRO = spaces.get("micro").search_config


def tf_config(cluster, kind="worker", index=0):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


def test_a_process_alone_is_the_chief_of_one():
    alone = WorkersConfig()
    assert (alone.count, alone.is_chief, alone.hosts) == (1, True, [])


def test_the_hosts_are_counted_and_the_first_is_the_chief():
    second = WorkersConfig("node-1:2222,[::1]:2223,10.0.0.7:1", 1)
    assert (second.count, second.is_chief) == (3, False)


@pytest.mark.parametrize(
    "hosts, index, message",
    [
        ("", 1, "--task_index=1: needs --worker_hosts"),
        ("a:1,b:2", 2, "--task_index=2: expected 0 to 1, a place in --worker_hosts=a:1,b:2"),
        ("a:1,a:1", 0, "--worker_hosts=a:1,a:1: a:1 comes twice"),
        ("a:1,b", 0, "--worker_hosts=a:1,b: 'b' is no HOST:PORT"),
        ("a:1,", 0, "'' is no HOST:PORT"),
        ("a:0", 0, "'a:0' is no HOST:PORT"),
        ("a:65536", 0, "'a:65536' is no HOST:PORT"),
        ("http://a:80", 0, "'http://a:80' is no HOST:PORT"),
    ],
)
def test_what_is_no_list_of_workers_is_refused(hosts, index, message):
    with pytest.raises(UserError) as error:
        WorkersConfig(hosts, index)
    assert message in str(error.value)


def test_batch_norm_in_common_needs_workers():
    with pytest.raises(UserError, match="--sync_batch_norm: needs --worker_hosts"):
        TrainWorkersConfig(sync_batch_norm=True)


def test_tf_config_is_read_as_tensorflow_reads_it():
    found = workers.of_environment(MICRO, {}, tf_config({"worker": ["a:1", "b:2"]}, index=1))
    assert found == {"worker_hosts": "a:1,b:2", "task_index": 1}
    cluster = {"chief": ["c:1"], "worker": ["a:1", "b:2"]}
    assert workers.of_environment(MICRO, {}, tf_config(cluster, "chief"))["task_index"] == 0
    found = workers.of_environment(MICRO, {}, tf_config(cluster, index=1))
    assert found == {"worker_hosts": "c:1,a:1,b:2", "task_index": 2}
    assert workers.of_environment(MICRO, {}, {}) == {}


@pytest.mark.parametrize(
    "environment, message",
    [
        ({"TF_CONFIG": "{"}, "TF_CONFIG={: expected JSON such as"),
        ({"TF_CONFIG": "[]"}, "expected JSON such as"),
        (
            {"TF_CONFIG": '{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}'},
            "expected JSON such as",
        ),
        (tf_config({"worker": ["a:1"]}, index=True), "expected JSON such as"),
        (tf_config({"worker": ["a:1"]}, "ps"), "the task's type is 'ps'; expected chief or worker"),
        (tf_config({"worker": ["a:1"]}, "chief"), "the task's type is 'chief'"),
        (tf_config({"worker": ["a:1"]}, index=1), "the task's index is 1; expected 0 to 0"),
    ],
)
def test_what_is_no_cluster_is_refused(environment, message):
    with pytest.raises(UserError) as error:
        workers.of_environment(MICRO, {}, environment)
    assert message in str(error.value)


def test_flags_and_tf_config_together_are_refused_and_so_is_a_space_of_one_process():
    with pytest.raises(UserError, match="--task_index and the environment's TF_CONFIG both say"):
        workers.of_environment(MICRO, {"task_index": 1}, tf_config({"worker": ["a:1"]}))

    @dataclasses.dataclass(frozen=True)
    class Settings:
        space = "chain"

    with pytest.raises(UserError, match="TF_CONFIG is set, but a run of the chain space is one process's"):
        workers.of_environment(Settings, {}, tf_config({"worker": ["a:1"]}))


@pytest.mark.parametrize("name", spaces.names())
def test_every_space_trains_in_several_workers(name):
    space = spaces.get(name)
    for settings in (space.search_config, space.train_config):
        config = settings(workers=workers.WorkersConfig(worker_hosts="a:1,b:2", task_index=1))
        assert (config.workers.count, config.workers.is_chief) == (2, False)


def test_what_one_process_does_refuses_workers():
    with pytest.raises(UserError, match="--eval_only is done by one process; leave --worker_hosts=a:1,b:2"):
        workers.check_alone(WorkersConfig("a:1,b:2"), "eval_only")

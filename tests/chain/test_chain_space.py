"""A fourth search space, registered from outside the package: the shared mains' code searches, resumes, retrains and draws.

The space is the one that docs/adding_a_space.md builds.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from chain_space.space import SPACE
from space_contract import SpaceContract

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SETTINGS = ["--dataset=digits", "--max_train_images=320", "--child_out_filters=4", "--child_scheme=k4", "--log_every=4"]
SEARCH = [*SETTINGS, "--num_epochs=2", "--controller_train_steps=3", "--controller_num_aggregate=4"]


def start(main, *flags):
    command = [sys.executable, str(HERE / "chain_mains.py"), main, *flags]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def run(main, *flags):
    """Runs a main that must succeed; returns what it printed."""
    process = start(main, *flags)
    printed, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return printed


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """The directory of a search that nothing stopped."""
    path = tmp_path_factory.mktemp("chain") / "search"
    printed = run("search", *SEARCH, f"--output_dir={path}")
    assert "search finished" in printed and "--space=chain" in printed
    return path


def weights(path):
    """{name: value} of the newest checkpoint of a run."""
    import tensorflow.compat.v1 as tf

    newest = max((path / "checkpoints").glob("last-*.index"), key=lambda file: int(re.findall("[0-9]+", file.name)[0]))
    reader = tf.train.load_checkpoint(str(newest.with_suffix("")))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def test_a_stopped_search_goes_on_to_the_same_arcs_and_weights(searched, tmp_path):
    path = tmp_path / "search"
    process = start("search", *SEARCH, f"--output_dir={path}")
    while process.poll() is None and (
        not (path / "metrics.jsonl").exists() or not (path / "metrics.jsonl").read_text()
    ):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert "resuming" in run("search", *SEARCH, f"--output_dir={path}")
    for name in ("arcs.jsonl", "metrics.jsonl", "best_arc.txt"):
        assert (path / name).read_bytes() == (searched / name).read_bytes()
    expected, found = weights(searched), weights(path)
    assert expected.keys() == found.keys()
    assert all(np.array_equal(expected[name], found[name]) for name in expected)


def test_the_arc_that_was_found_is_trained_and_evaluated(searched, tmp_path):
    path = tmp_path / "final"
    arc = f"--arc_file={searched / 'best_arc.txt'}"
    run("train", "--space=chain", *SETTINGS, "--num_epochs=1", arc, f"--output_dir={path}")
    results = json.loads((path / "results.json").read_text())
    assert 0 <= results["test_accuracy"] <= 1 and results["parameters"] > 0
    assert f"{results['test_accuracy']:.4f}" in run("train", "--eval_only", f"--output_dir={path}")


def test_an_arc_is_drawn(tmp_path):
    printed = run("visualize", "0 2 1 0", f"--output_dir={tmp_path}").split()
    assert [Path(line).name for line in printed] == ["chain.dot", "chain.png", "chain.svg"]
    assert "4 layers" in (tmp_path / "chain.dot").read_text() and (tmp_path / "chain.png").stat().st_size > 1000


def test_a_length_that_contradicts_the_arc_is_refused_in_one_line(tmp_path):
    arc = ["--child_fixed_arc=0 1", "--child_num_layers=3"]
    process = start("train", "--space=chain", *arc, f"--output_dir={tmp_path / 'final'}")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors == "error: --child_num_layers=3: the arc has --child_num_layers=2; leave the flag out\n"


def test_the_searched_and_the_fixed_network_compute_the_same():
    import tensorflow.compat.v1 as tf
    from chain_space import arc as arcs
    from chain_space import child
    from chain_space.config import ChildConfig

    from enas.graph import layers
    from enas.runs import session

    session.graph_mode()
    with tf.Graph().as_default() as graph:
        build = layers.BuildContext(ChildConfig(scheme="ternary"), 10, seed=0)
        images = tf.constant(np.random.default_rng(0).normal(size=(4, 8, 8, 1)), tf.float32)
        fed = tf.placeholder(tf.int32, [3])
        shared, _ = child.logits(build, images, fed)
        fixed = {
            values: child.logits(build, images, arcs.Arc(values))[0] for values in [(0, 1, 2), (2, 0, 0), (1, 1, 0)]
        }
        initialize = tf.global_variables_initializer()
    with session.open_session(graph) as sess:
        sess.run(initialize)
        for values, logits in fixed.items():
            np.testing.assert_array_equal(*sess.run([shared, logits], {fed: values}))


def test_the_walk_through_shows_the_code_of_this_space():
    text = (ROOT / "docs" / "adding_a_space.md").read_text()
    shown = dict(re.findall(r"^`(chain_space/\w+\.py)`.*?^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))
    files = {f"chain_space/{path.name}": path.read_text() for path in (HERE / "chain_space").glob("*.py")}
    assert shown == files


class TestChainSpace(SpaceContract):
    space = SPACE

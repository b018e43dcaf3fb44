"""The benchmark of the macro space: what it compares computes the same, and it ends in figures."""

import json

import numpy as np
import pytest
from mains import run

SMALL = ["--child_num_layers=3", "--child_out_filters=4", "--image_size=8", "--batch_size=4", "--steps=2"]


def bench(*flags):
    return run("scripts/bench.py", "--space=macro", *SMALL, *flags)


@pytest.mark.slow
def test_the_benchmark_ends_in_figures_of_the_low_bit_and_the_published_form(tmp_path):
    done = bench(f"--json={tmp_path}/bench.json", "--child_scheme=binary", "--against=published")
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "bench.json").read_text())
    assert figures["settings"]["child_num_layers"] == 3
    assert 0 < figures["search_step_s"] < figures["search_start_s"]
    assert figures["published_step_s_over_ours"] == figures["published_step_s"] / figures["search_step_s"]
    assert figures["search_graph_nodes"] > figures["published_graph_nodes"]
    assert "search_step_s" in done.stdout


def test_a_folder_that_is_not_there_is_told_at_once():
    done = bench("--json=/no/such/folder/bench.json")
    assert done.returncode == 2 and "error: --json=/no/such/folder/bench.json: no such folder" in done.stderr


def test_the_pytorch_network_has_the_parameters_of_ours():
    """Of one arc, but for the classifier and the batch norms' statistics: so both sides do the same work."""
    torch = pytest.importorskip("torch")
    import tensorflow.compat.v1 as tf

    from enas.graph import layers
    from enas.macro import arc as arcs
    from enas.macro import child
    from enas.macro.config import ChildConfig
    from enas.runs import session
    from scripts.benchmarks import bench_torch_macro

    arc = arcs.parse("2  3 1  0 0 1  5 1 0 1  4 0 0 1 1  1 0 1 0 0 1")
    config = ChildConfig(num_layers=6, out_filters=4)
    flags = {"child_out_filters": 4, "child_num_layers": 6, "child_double_filters": False, "child_keep_prob": 1.0}
    net = bench_torch_macro.Child(flags, arc)
    logits = net(torch.zeros(2, 3, 8, 8), arc)
    assert logits.shape == (2, 10)
    used = sum(p.numel() for p in _reached(net, logits))
    session.graph_mode()
    with tf.Graph().as_default():
        child.logits(layers.BuildContext(config, 10, 0), tf.zeros([2, 8, 8, 3]), arc)
        ours = sum(int(np.prod(v.shape.as_list())) for v in tf.trainable_variables())
    # PyTorch's joins keep the rows of skip connections that the arc does not have.
    rows = sum(len(layer.skips) - len(layer.sources) for layer in arc.layers)
    assert used - rows * 4 * 4 == ours


def _reached(net, logits):
    """The parameters that the output depends on."""
    logits.sum().backward()
    return [p for p in net.parameters() if p.grad is not None]

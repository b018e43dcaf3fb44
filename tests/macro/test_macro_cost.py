"""The cost model of the macro space against what is counted in the built fixed graph, and a search that keeps to a cost."""

import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enas.macro import arc as arcs
from enas.macro import cost
from enas.macro.config import ChildConfig
from tests.helpers import mains

SMALL = ChildConfig(num_layers=4, out_filters=4)
# All six ops, skip connections over one reduction and over both.
TEXT = "0  1 1  2 0 1  3 1 0 1"
POOLS = "4  5 0  1 1 1  0 0 1 1"


def counted(arc, config, shape, num_classes):
    """`size.measure` of the arc's scoring graph."""
    import tensorflow.compat.v1 as tf

    from enas.classification import child_graph
    from enas.costs import size
    from enas.graph import layers
    from enas.macro import child

    with tf.Graph().as_default():
        build = layers.BuildContext(config, num_classes, 0)
        logits, _ = child.logits(build, tf.zeros([3, *shape]), arc)
        return size.measure(child_graph.EvalGraph(None, build, tf.reduce_sum(logits), None))


@pytest.mark.parametrize("recipe", ["low_bit", "published"])
@pytest.mark.parametrize("scheme", ["fp32", "fp16", "binary", "ternary", "k4"])
def test_the_cost_model_is_what_the_built_graph_holds_under_every_scheme(scheme, recipe):
    config = dataclasses.replace(SMALL, scheme=scheme, recipe=recipe)
    for text in (TEXT, POOLS):
        arc = arcs.parse(text)
        assert cost.cost(arc, config, (8, 8, 3), 10) == counted(arc, config, (8, 8, 3), 10)


@pytest.mark.parametrize(
    "changes", [{"double_filters": True, "out_filters": 5}, {"quantize_ends": True}, {"glue_scheme": "k3"}]
)
def test_filters_ends_and_glue_count(changes):
    config = dataclasses.replace(SMALL, scheme="k2", **changes)
    arc = arcs.parse(TEXT)
    assert cost.cost(arc, config, (7, 10, 1), 3) == counted(arc, config, (7, 10, 1), 3)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_channels_of_all_ops_count(data):
    config = dataclasses.replace(SMALL, scheme="ternary", num_layers=3, controller_search_whole_channels=False)
    values = []
    for layer in range(3):
        for _ in arcs.OPS:
            first = data.draw(st.integers(0, 3))
            values += [first, data.draw(st.integers(1, 4 - first))]
        values += [data.draw(st.integers(0, 1)) for _ in range(layer)]
    arc = arcs.for_child(values, config)
    assert cost.cost(arc, config, (8, 8, 1), 10) == counted(arc, config, (8, 8, 1), 10)


@pytest.mark.parametrize("kind", ["bitops", pytest.param("model_bytes", marks=pytest.mark.slow)])
def test_a_search_counts_the_cost_of_its_arcs(tmp_path, kind):
    flags = [
        "--dataset=digits",
        "--max_train_images=320",
        "--num_epochs=1",
        "--controller_train_steps=2",
        "--batch_size=16",
    ]
    child = ["--child_num_layers=3", "--child_out_filters=4", "--child_scheme=binary", "--controller_num_aggregate=2"]
    budget = [f"--cost={kind}", "--cost_target=5e4", f"--output_dir={tmp_path}"]
    out = mains.done("search_macro.py", *flags, *child, *budget)
    config = dataclasses.replace(SMALL, num_layers=3, scheme="binary")
    for record in mains.records(tmp_path / "arcs.jsonl"):
        arc = arcs.parse(record["arc"])
        assert record["cost"] == getattr(cost.cost(arc, config, (8, 8, 1), 10), kind)
        assert record["reward"] < record["val_accuracy"]
    assert f"{kind} = " in out and "on target = " in out

"""The macro network: the shared child against the fixed child, and the fixed child against plain arithmetic."""

import dataclasses
import re

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from published_arcs import MACRO as PUBLISHED

from enas.graph import layers
from enas.macro import arc as arcs
from enas.macro import child
from enas.macro.config import ChildConfig

pytestmark = pytest.mark.usefixtures("graph")

OPS = len(arcs.OPS)
BATCH, CLASSES, LAYERS, FILTERS = 4, 7, 6, 4
CONFIG = ChildConfig(num_layers=LAYERS, out_filters=FILTERS)
CHANNELS = dataclasses.replace(CONFIG, controller_search_whole_channels=False)
FORWARD = {"fp16": 4e-3}
BACKWARD = {"fp16": 3e-2}
# Of the largest gradient: what is smaller may be terms that cancel. float16 rounds each of these by up to 5e-4.
CANCELLED = {"fp16": 5e-3}


def images(seed=0, side=8):
    return tf.constant(np.random.default_rng(seed).normal(size=(BATCH, side, side, 3)), tf.float32)


def arc_of(rotation, density, whole_channels=True, seed=0):
    """An arc whose layer i has op i + rotation, or random channels, and about `density` of all skip connections."""
    rng = np.random.default_rng([seed, rotation])
    values = []
    for layer in range(LAYERS):
        if whole_channels:
            values.append((layer + rotation) % OPS)
        else:
            for _ in arcs.OPS:
                first = rng.integers(FILTERS)
                values += [first, rng.integers(1, FILTERS - first + 1)]
        values += (rng.random(layer) < density).astype(int).tolist()
    return arcs.from_list(values, LAYERS, whole_channels, FILTERS)


def owned(prefix):
    """{name without prefix: variable} of the trainable variables of one of the networks."""
    return {v.name.removeprefix(prefix): v for v in tf.trainable_variables(prefix)}


def random_values(variables, seed=0):
    """Distinct values for every variable, batch norm's and biases included: {name: array}."""
    rng = np.random.default_rng(seed)
    values = {}
    for name, variable in variables.items():
        low, high = {"scale:0": (0.4, 1.2), "offset:0": (-0.4, 0.6), "b:0": (-0.4, 0.6)}.get(
            name.split("/")[-1], (-1, 1)
        )
        values[name] = rng.uniform(low, high, variable.shape.as_list()).astype(np.float32)
    return values


def assign(session, variables, values):
    session.run(
        [variable.initializer for variable in variables.values()],
        {variable.initializer.inputs[1]: values[name] for name, variable in variables.items()},
    )


def of_arc(shared, names, arc):
    """Picks, from the shared child's values {name: array}, those of a fixed child's variables `names`, as the docs of
    `enas/macro/cell.py` say: rows of ops, rows of outputs (the layer's own last), the channels that the arc says."""
    return {name: _pick(shared, name, arc) for name in names}


def _pick(shared, name, arc):
    inside = re.fullmatch(r"child/layer_(\d+)/op_(\w+?x\d)/(.*):0", name)
    join = re.fullmatch(r"child/layer_(\d+)/join/w:0", name)
    reduction = re.fullmatch(r"child/(reduction_\d+)/output_(\d+)/(.*):0", name)
    mix = re.fullmatch(r"child/layer_(\d+)/mix:0", name)
    if join:
        layer = int(join[1])
        return shared[name][[*arc.layers[layer].sources, layer]]
    if reduction:
        return shared[f"child/{reduction[1]}/{reduction[3]}:0"][int(reduction[2])]
    if mix:
        pairs = arc.layers[int(mix[1])].channels
        return np.concatenate([shared[name][op, first : first + n] for op, (first, n) in enumerate(pairs)])
    if not inside:
        return shared[name]
    layer, op, rest = int(inside[1]), arcs.OPS.index(inside[2]), inside[3]
    bank = shared[f"child/layer_{layer}/{rest}:0"]
    part = slice(None)
    if arc.layers[layer].channels:
        first, count = arc.layers[layer].channels[op]
        part = slice(first, first + count)
    if rest.startswith("enter"):
        return bank[op]
    if rest.startswith("norm"):
        return bank[op][part]
    return bank if "depthwise" in rest or "between_norm" in rest else bank[..., part]


def gradients(logits, variables):
    """Gradients of a random linear function of the logits, as dense tensors {name: gradient}."""
    direction = np.random.default_rng(1).normal(size=logits.shape.as_list()).astype(np.float32)
    found = tf.gradients(tf.reduce_sum(logits * direction), list(variables.values()))
    return {name: tf.convert_to_tensor(g) for name, g in zip(variables, found, strict=True)}


def assert_close(actual, expected, tolerance, what="", least=0.0):
    """Equal to within `tolerance` of the largest expected value, or of `least`."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape, what
    largest = max(np.abs(expected).max(initial=0.0), least)
    assert np.abs(actual - expected).max(initial=0.0) <= tolerance * largest, what


def build_of(config, training=True):
    step = {"training": True, "step": tf.constant(5, tf.int64), "progress": tf.constant(0.6)} if training else {}
    return layers.BuildContext(config, CLASSES, 0, **step)


def check_shared_is_fixed(start, config, arc_list, side=8):
    """Builds the shared child once and a fixed child for each arc; compares logits and all gradients."""
    config = dataclasses.replace(config, keep_prob=0.7)
    length = arcs.layer_start(LAYERS, config.controller_search_whole_channels)
    fed = tf.placeholder(tf.int32, [length])
    with tf.variable_scope("shared"):
        shared_logits, none = child.logits(build_of(config), images(side=side), fed)
    assert none is None
    shared = owned("shared/")
    shared_gradients = gradients(shared_logits, shared)
    fixed = []
    for number, arc in enumerate(arc_list):
        with tf.variable_scope(f"fixed_{number}"):
            logits, _ = child.logits(build_of(config), images(side=side), arc)
        variables = owned(f"fixed_{number}/")
        fixed.append((arc, logits, variables, gradients(logits, variables)))
    session, values = start(), random_values(shared)
    assign(session, shared, values)
    forward, backward = FORWARD.get(config.scheme, 1e-5), BACKWARD.get(config.scheme, 1e-3)
    for arc, logits, variables, fixed_gradients in fixed:
        assign(session, variables, of_arc(values, variables, arc))
        found, found_gradients = session.run([shared_logits, shared_gradients], {fed: arc.to_list()})
        expected, expected_gradients = session.run([logits, fixed_gradients])
        assert np.ptp(expected) > 0.1  # a network that says something
        assert_close(found, expected, forward)
        matching = of_arc(found_gradients, variables, arc)
        # Where batch norm cancels a gradient, both sides are nothing but rounding.
        largest = max(np.abs(g).max() for g in expected_gradients.values())
        rounding = CANCELLED.get(config.scheme, 1e-3) * largest
        for name in variables:
            assert_close(matching[name], expected_gradients[name], backward, name, rounding)
        assert sum(np.any(g) for g in expected_gradients.values()) > 0.8 * len(variables)
        # What the fixed child does not have gets no gradient.
        elsewhere = sum(np.abs(g).sum(dtype=np.float64) for g in found_gradients.values())
        here = sum(np.abs(matching[name]).sum(dtype=np.float64) for name in variables)
        assert abs(elsewhere - here) <= 1e-6 * here


def test_the_shared_child_is_the_fixed_child_for_every_op_at_every_size(start):
    """With no, half and all skip connections, on images of odd size; two layers run at each of the three sizes."""
    arc_list = [arc_of(rotation, density) for rotation, density in ((0, 0.5), (2, 0.0), (4, 1.0))]
    check_shared_is_fixed(start, CONFIG, arc_list, side=7)


@pytest.mark.parametrize(
    "scheme",
    ["fp16", "binary", "k4"]
    + [pytest.param(scheme, marks=pytest.mark.slow) for scheme in ("ternary", "k1", "k2", "k8")],
)
def test_the_shared_child_is_the_fixed_child_in_every_kind_of_arithmetic(start, scheme):
    check_shared_is_fixed(start, dataclasses.replace(CONFIG, scheme=scheme), [arc_of(2, 0.5)])


def test_the_shared_child_is_the_fixed_child_with_doubled_filters(start):
    check_shared_is_fixed(start, dataclasses.replace(CONFIG, double_filters=True), [arc_of(1, 0.5)])


@pytest.mark.parametrize("scheme", ["fp32", "k4", pytest.param("fp16", marks=pytest.mark.slow)])
def test_the_shared_child_is_the_fixed_child_where_channels_are_a_choice(start, scheme):
    check_shared_is_fixed(start, dataclasses.replace(CHANNELS, scheme=scheme), [arc_of(0, 0.5, whole_channels=False)])


def normalised(x, scale, offset):
    mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    return (x - mean) / np.sqrt(variance + 1e-5) * scale + offset


def windows(x, k, fill):
    """[N, H, W, k, k, C]: what a k x k window sees at every place."""
    n, h, w, c = x.shape
    padded = np.full((n, h + k - 1, w + k - 1, c), fill)
    padded[:, k // 2 : k // 2 + h, k // 2 : k // 2 + w] = x
    return np.stack([[padded[:, i : i + h, j : j + w] for j in range(k)] for i in range(k)]).transpose(2, 3, 4, 0, 1, 5)


def plain_op(op, x, weights):
    """The op of a layer, from its definition; weights: the layer's values by their names within the op's scope."""
    x = np.maximum(normalised(x @ weights["enter"], weights["enter_norm/scale"], weights["enter_norm/offset"]), 0)
    if op == "avg_pool_3x3":
        return np.nanmean(windows(x, 3, np.nan), axis=(3, 4))
    if op == "max_pool_3x3":
        return windows(x, 3, -np.inf).max(axis=(3, 4))
    seen = windows(x, int(op[-1]), 0.0)
    if op.startswith("sep"):
        x = np.einsum("nhwijc,ijc->nhwc", seen, weights[f"{op}/depthwise"][..., 0]) @ weights[f"{op}/pointwise"]
    else:
        x = np.einsum("nhwijc,ijcd->nhwd", seen, weights[f"{op}/w"])
    return normalised(x, weights["norm/scale"], weights["norm/offset"])


def plain_logits(x, arc, values):
    """The network, from its definition (ENAS, section 2.3), in float64."""

    def under(prefix):
        return {name.removeprefix(prefix)[:-2]: v for name, v in values.items() if name.startswith(prefix)}

    stem = under("child/stem/")
    x = np.einsum("nhwijc,ijcd->nhwd", windows(x, 3, 0.0), stem["w"])
    outputs = [np.maximum(normalised(x, stem["scale"], stem["offset"]), 0)]
    for i, layer in enumerate(arc.layers):
        op = arcs.OPS[layer.op]
        x = plain_op(op, outputs[-1], under(f"child/layer_{i}/op_{op}/"))
        if i:
            join = under(f"child/layer_{i}/join/")
            parts = [outputs[j] for j, bit in enumerate(layer.skips) if bit] + [np.maximum(x, 0)]
            x = normalised(np.concatenate(parts, axis=3) @ np.concatenate(join["w"]), join["scale"], join["offset"])
        outputs.append(np.maximum(x, 0))
        if i in (LAYERS // 3 - 1, 2 * LAYERS // 3 - 1):
            for j, y in enumerate(outputs):
                w = under(f"child/reduction_{i}/output_{j}/")
                if w:
                    shifted = np.pad(y, [(0, 0), (0, 1), (0, 1), (0, 0)])[:, 1:, 1:]
                    y = np.concatenate([y[:, ::2, ::2] @ w["path_0"], shifted[:, ::2, ::2] @ w["path_1"]], axis=3)
                    outputs[j] = np.maximum(normalised(y, w["scale"], w["offset"]), 0)
    classifier = under("child/classifier/")
    return np.maximum(x, 0).mean(axis=(1, 2)) @ classifier["w"] + classifier["b"]


@pytest.mark.parametrize("rotation, density", [(0, 0.5), (3, 1.0)])
def test_the_fixed_child_is_what_the_arc_says(start, rotation, density):
    """Every op, computed from its definition, with an arc in which every op is used."""
    arc, x = arc_of(rotation, density), images()
    with tf.variable_scope("fixed"):
        logits, _ = child.logits(build_of(CONFIG, training=False), x, arc)
    session, variables = start(), owned("fixed/")
    values = random_values(variables)
    assign(session, variables, values)
    expected = plain_logits(session.run(x).astype(np.float64), arc, values)
    assert_close(session.run(logits), expected, 1e-4)


def test_weights_of_ops_and_skips_that_an_arc_does_not_choose_are_not_read(start):
    arc = arc_of(4, 0.4)
    fed = tf.placeholder(tf.int32, [arcs.layer_start(LAYERS)])
    with tf.variable_scope("shared"):
        logits, _ = child.logits(build_of(CONFIG, training=False), images(), fed)
    with tf.variable_scope("fixed"):
        child.logits(build_of(CONFIG, training=False), images(), arc)
    session, shared = start(), owned("shared/")
    marks = {name: np.arange(np.prod(v.shape), dtype=np.int64).reshape(v.shape) for name, v in shared.items()}
    read = {name: set() for name in shared}
    for name, picked in of_arc(marks, owned("fixed/"), arc).items():
        bank = next(n for n in shared if n == name or _is_bank_of(n, name))
        read[bank] |= set(np.ravel(picked).tolist())
    values = random_values(shared)
    for name, value in values.items():
        value[~np.isin(marks[name], list(read[name]))] = np.nan
    assert sum(np.isnan(value).sum() for value in values.values()) > 1000
    assign(session, shared, values)
    assert np.all(np.isfinite(session.run(logits, {fed: arc.to_list()})))


def _is_bank_of(bank, name):
    return re.sub(r"(op_\w+?x\d/|output_\d+/)", "", name) == bank


def test_only_outputs_that_are_read_later_are_halved():
    """Layers from 1: 2 and 4 are followed by a reduction; layer 5 reads outputs 1 and 4, layer 6 output 0."""
    arc = arcs.parse("0  0 0  0 0 0  0 0 0 0  0 0 1 0 0  0 1 0 0 0 0")
    child.logits(build_of(CONFIG), images(), arc)
    halved = {tuple(re.findall(r"\d+", v.name)[:2]) for v in tf.trainable_variables("child/reduction")}
    assert halved == {("1", "0"), ("1", "1"), ("1", "2"), ("3", "0"), ("3", "1"), ("3", "4")}


def test_the_published_arc_builds_with_the_ops_it_names(graph):
    """24 layers; a separable op is one depthwise convolution, a dense one a convolution of its size."""
    arc = arcs.parse(" ".join(PUBLISHED))
    config = dataclasses.replace(CONFIG, num_layers=24, out_filters=2, double_filters=True)
    logits, _ = child.logits(build_of(config), images(), arc)
    assert logits.shape == [BATCH, CLASSES]
    kernels = [op.inputs[1].shape.as_list()[0] for op in graph.get_operations() if op.type == "Conv2D"]
    depthwise = [op.inputs[1].shape.as_list()[0] for op in graph.get_operations() if op.type == "DepthwiseConv2dNative"]
    chosen = [int(line.split()[0]) for line in PUBLISHED]
    assert kernels.count(3) == chosen.count(0) + 1 and kernels.count(5) == chosen.count(2)
    assert depthwise.count(3) == chosen.count(1) and depthwise.count(5) == chosen.count(3)

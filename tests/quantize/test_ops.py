"""Layers under every scheme against a float64 NumPy reference: values, gradients in x and in the latent weights."""

import ast
import pathlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import quantize
from quantize import ops, schemes

tf.disable_v2_behavior()
tf.enable_control_flow_v2()
tf.enable_resource_variables()

F = np.float32
ALL = tuple(schemes.SCHEMES)


def rounded(x, scheme):
    """x as the scheme holds it between two operations, in float64."""
    return np.asarray(x).astype(scheme.dtype).astype(np.float64)


def np_weights(w, name):
    """The weights `name` computes with, written out anew, in float64."""
    w = w.astype(np.float64)
    if name == "fp32":
        return w
    if name == "fp16":
        return w.astype(np.float16).astype(np.float64)
    if name in ("binary", "k1"):
        return np.where(w >= 0, 1.0, -1.0)
    if name == "ternary":
        return np.where(np.abs(w) > 0.5, np.sign(w), 0.0)
    steps = 2 ** (int(name[1:]) - 1)
    return np.clip(np.rint(w * steps), -steps, steps - 1) / steps


def np_mask(w, name):
    """Straight-through factor of the gradient in w."""
    return np.ones_like(w) if name in ("fp32", "fp16") else (np.abs(w) <= 1).astype(F)


def geometry(size, k, stride):
    """Output size and padding before and after, of SAME padding."""
    out = -(-size // stride)
    total = max((out - 1) * stride + k - size, 0)
    return out, total // 2, total - total // 2


def np_conv(x, w, g, stride, depthwise=False):
    """Convolution y = x * w, by plain loops over the window, with the gradients of sum(y g) in x and in w."""
    (_, height, width, _), k = x.shape, w.shape[0]
    (oh, top, bottom), (ow, left, right) = geometry(height, k, stride), geometry(width, k, stride)
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    y, dx, dw = 0.0, np.zeros_like(padded), np.zeros_like(w)
    for i in range(k):
        for j in range(k):
            at = np.s_[:, i : i + (oh - 1) * stride + 1 : stride, j : j + (ow - 1) * stride + 1 : stride]
            window = padded[at]
            if depthwise:
                y = y + window * w[i, j, :, 0]
                dx[at] += g * w[i, j, :, 0]
                dw[i, j, :, 0] = (window * g).sum((0, 1, 2))
            else:
                y = y + window @ w[i, j]
                dx[at] += g @ w[i, j].T
                dw[i, j] = np.einsum("nhwc,nhwd->cd", window, g)
    return y, dx[:, top : top + height, left : left + width], dw


def values(*shape, seed=0, low=-1.4, high=1.4):
    return np.random.default_rng(seed).uniform(low, high, shape).astype(F)


def latent(*shape, seed=1):
    w = values(*shape, seed=seed)
    w.flat[:7] = [1.0, -1.0, 0.5, -0.5, 0.0, np.nextafter(F(1), F(2)), -1.3]  # edges of the gradients and the levels
    return w


def run(layer, inputs, upstream):
    """Values of layer(*inputs) and of its gradients in the inputs, for the output's gradient `upstream`."""
    with tf.Graph().as_default(), tf.Session() as session:
        tensors = [tf.constant(value) for value in inputs]
        y = layer(*tensors)
        return session.run([y, *tf.gradients(y, tensors, tf.cast(upstream, y.dtype))])


def close(got, expected, scheme, dtype):
    """Equal up to one rounding to float16 (fp16), or to float32's rounding of sums."""
    tolerance = 2.0**-11 if scheme.dtype == "float16" else 2e-6
    assert got.dtype == dtype
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=1e-3 * tolerance + 1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("depthwise", [False, True], ids=["full", "depthwise"])
def test_convolutions_and_their_gradients_are_numpys(name, stride, depthwise):
    scheme = schemes.get(name)
    layer = ops.depthwise_conv2d if depthwise else ops.conv2d
    for k, height, width in ((3, 6, 5), (5, 7, 4), (1, 5, 4)):
        x = values(2, height, width, 7).astype(scheme.dtype)
        w = latent(k, k, 7, 1 if depthwise else 4)
        shape = (2, -(-height // stride), -(-width // stride), 7 if depthwise else 4)
        g = values(*shape, seed=2)
        y, dx, dw = np_conv(rounded(x, scheme), np_weights(w, name), rounded(g, scheme), stride, depthwise)
        got = run(lambda x, w: layer(x, w, scheme, stride), [x, w], g)
        assert got[0].shape == shape
        close(got[0], y, scheme, scheme.dtype)
        close(got[1], dx, scheme, scheme.dtype)
        close(got[2], dw * np_mask(w, name), scheme, F)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", ALL)
def test_the_separable_convolution_and_its_gradients_are_numpys(name, stride):
    scheme = schemes.get(name)
    x, depth, point = values(2, 5, 6, 7).astype(scheme.dtype), latent(3, 3, 7, 1), latent(1, 1, 7, 4, seed=3)
    g = values(2, -(-5 // stride), 6 // stride, 4, seed=2)
    depth_q, point_q = np_weights(depth, name), np_weights(point, name)
    middle, _, _ = np_conv(rounded(x, scheme), depth_q, 0.0, stride, True)
    middle = rounded(middle, scheme)
    y, d_middle, d_point = np_conv(middle, point_q, rounded(g, scheme), 1)
    _, dx, d_depth = np_conv(rounded(x, scheme), depth_q, rounded(d_middle, scheme), stride, True)
    got = run(lambda x, d, p: ops.separable_conv2d(x, d, p, scheme, stride), [x, depth, point], g)
    expected = [y, dx, d_depth * np_mask(depth, name), d_point * np_mask(point, name)]
    for value, reference, dtype in zip(got, expected, [scheme.dtype, scheme.dtype, F, F], strict=True):
        assert value.dtype == dtype
        # float32 and float16 may round the value in between differently, by one unit
        tolerance = 4e-3 if name == "fp16" else 1e-5
        np.testing.assert_allclose(value, reference, rtol=tolerance, atol=tolerance * np.abs(reference).max())


@pytest.mark.parametrize("name", ALL)
def test_the_dense_layer_and_its_gradients_are_numpys(name):
    """Output in float32; binary and ternary weights scaled by every column's mean |w|, a constant of the gradient."""
    scheme = schemes.get(name)
    x, w, b, g = values(6, 11).astype(scheme.dtype), latent(11, 3), values(3, seed=4), values(6, 3, seed=2)
    alpha = np.abs(w.astype(np.float64)).mean(0) if name in ("binary", "ternary", "k1") else np.ones(3)
    weights, upstream = alpha * np_weights(w, name), rounded(g, scheme)
    got = run(lambda x, w, b: ops.dense(x, w, b, scheme), [x, w, b], g)
    assert got[0].dtype == F
    close(got[0] - b, rounded(x, scheme) @ weights, scheme, F)
    close(got[1], upstream @ weights.T, scheme, scheme.dtype)
    close(got[2], alpha * (rounded(x, scheme).T @ upstream) * np_mask(w, name), scheme, F)
    np.testing.assert_allclose(got[3], g.sum(0), rtol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_the_activation_and_the_quantized_input_are_the_schemes(name):
    scheme = schemes.get(name)
    x = values(2, 3, 4, 5, low=-6, high=6).astype(scheme.dtype)
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.constant(x)
        active, image = ops.activate(images, scheme), ops.quantize_input(images, scheme)
        expected = scheme.activation(images)
        if not scheme.latent:
            assert image is images
        active, image, expected = session.run([active, image, expected])
    assert active.dtype == scheme.dtype
    np.testing.assert_array_equal(active, expected)
    if scheme.latent:
        np.testing.assert_array_equal(image, (np.clip(np.rint(x * 32), -128, 127) / 32).astype(F))
    else:
        np.testing.assert_array_equal(active, np.maximum(x, 0))


HALF_OPS = {
    "conv3": (lambda x, w: tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME"), (3, 3, 7, 4)),
    "conv3_stride2": (lambda x, w: tf.nn.conv2d(x, w, [1, 2, 2, 1], "SAME"), (3, 3, 7, 4)),
    "conv1": (lambda x, w: tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME"), (1, 1, 7, 4)),
    "depthwise": (lambda x, w: tf.nn.depthwise_conv2d_native(x, w, [1, 1, 1, 1], "SAME"), (3, 3, 7, 1)),
    "depthwise_stride2": (lambda x, w: tf.nn.depthwise_conv2d_native(x, w, [1, 2, 2, 1], "SAME"), (5, 5, 7, 1)),
    "matmul": (lambda x, w: tf.matmul(tf.reshape(x, [-1, 7]), w), (7, 4)),
    "max_pool": (lambda x, w: tf.nn.max_pool2d(x, 3, 2, "SAME") + 0 * w, (1,)),
    "avg_pool": (lambda x, w: tf.nn.avg_pool2d(x, 3, 1, "SAME") + 0 * w, (1,)),
}


@pytest.mark.parametrize("name", HALF_OPS)
def test_half_precision_equals_half_kernels(name, monkeypatch):
    """Without a GPU: same dtypes and rounding points as the float16 kernels, equal up to the rounding of their sums."""
    function, shape = HALF_OPS[name]
    x, w = values(2, 6, 6, 7).astype(np.float16), values(*shape, seed=1)
    results = {}
    for gpu in (False, True):
        monkeypatch.setattr(ops, "has_gpu", lambda gpu=gpu: gpu)
        with tf.Graph().as_default() as graph, tf.Session() as session:
            tensors = [tf.constant(x), tf.constant(w)]
            y = ops.half_precision(function, *tensors)
            upstream = tf.cast(tf.random.stateless_normal(y.shape, [1, 2]), y.dtype)
            gradients = tf.gradients(y, tensors, upstream)
            results[gpu] = session.run([y, *gradients])
            heavy = [op for op in graph.get_operations() if "Conv" in op.type or "Pool" in op.type or "Mat" in op.type]
            floating = {t.dtype for op in heavy for t in op.outputs if t.dtype.is_floating}
            assert floating == {tf.float16 if gpu else tf.float32}
    for got, native, dtype in zip(results[False], results[True], [np.float16, np.float16, F], strict=True):
        assert got.dtype == native.dtype == dtype
        # The gradient in float32 weights is a float16 value, too: it was rounded as the float16 kernels round it.
        np.testing.assert_array_equal(got, got.astype(np.float16))
        scale = np.abs(native.astype(np.float64)).max()
        np.testing.assert_allclose(got.astype(np.float64), native, rtol=2e-3, atol=8e-3 * scale)
    if name == "max_pool":
        np.testing.assert_array_equal(results[False][0], results[True][0])


def test_half_precision_needs_no_gpu():
    assert ops.has_gpu() == bool(tf.config.list_physical_devices("GPU"))


def test_fp16_master_weights_move_below_half_resolution():
    """Updates smaller than float16 resolves add up in the float32 master weights."""
    scheme = schemes.get("fp16")
    with tf.Graph().as_default(), tf.Session() as session:
        w = tf.Variable(np.ones((1, 1, 2, 2), F))
        y = tf.reduce_sum(tf.cast(ops.conv2d(tf.ones([1, 2, 2, 2]), w, scheme), tf.float32))
        step = tf.train.GradientDescentOptimizer(1e-5).minimize(y)
        session.run(tf.global_variables_initializer())
        session.run(step)
        assert w.dtype.base_dtype == tf.float32
        np.testing.assert_allclose(session.run(w), 1 - 4e-5, rtol=1e-7)


@pytest.mark.parametrize("name", ALL)
def test_layers_inside_function_and_switch_case(name):
    """Chosen by an index in a tf.function, layers give their own value and gradient, as outside."""
    scheme = schemes.get(name)
    x0, w0, d0 = values(1, 4, 4, 7).astype(scheme.dtype), latent(3, 3, 7, 7), latent(3, 3, 7, 1)
    with tf.Graph().as_default(), tf.Session() as session:
        index, x, w, d = tf.placeholder(tf.int32, []), tf.constant(x0), tf.Variable(w0), tf.Variable(d0)

        def branches(x, w, d):
            active = ops.activate(x, scheme)
            return [
                lambda: ops.conv2d(ops.activate(x, scheme), w, scheme),
                lambda: ops.separable_conv2d(active, d, w[:1, :1], scheme),
            ]

        chosen = tf.function(lambda index, x, w, d: tf.switch_case(index, branches(x, w, d)))(index, x, w, d)
        inside = [chosen, *tf.gradients(chosen, [x, w, d])]
        plain = [[y, *tf.gradients(y, [x, w])] for y in (branch() for branch in branches(x, w, d))]
        session.run(tf.global_variables_initializer())
        for i in range(2):
            got, expected = session.run([inside, plain[i]], {index: i})
            assert got[2].dtype == got[3].dtype == F
            for value, reference in zip(got, expected, strict=False):
                np.testing.assert_allclose(value, reference, rtol=1e-5, atol=1e-5)
            assert np.any(got[2]) and np.any(got[3]) == (i == 1)


def test_imports_nothing_of_enas():
    for path in pathlib.Path(quantize.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "enas" for name in names), path

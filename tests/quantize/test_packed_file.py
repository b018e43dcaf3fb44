"""The packed file: exact round trips, the layout that docs/packed_format.md gives, and damaged files."""

import dataclasses
import hashlib
import json
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_networks import Maker, network

from quantize.runtime import codes
from quantize.runtime.model import executor, packed_file
from quantize.runtime.model.network import Network, NetworkError
from quantize.runtime.model.operations import Operation, Tensor
from quantize.runtime.numpy_kernels import NumpyKernels

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "packed_format.md").read_text()


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(sorted(codes.SCHEMES)),
    st.integers(0, 99),
    st.integers(2, 9),
    st.sampled_from([1, 3]),
    st.integers(3, 9),
)
def test_a_network_comes_back_as_it_was_and_so_do_the_bytes(scheme, seed, height, channels, width):
    made = network(scheme, seed, (height, width, channels), width)
    data = packed_file.write(made)
    read = packed_file.read(data)
    assert read == made
    assert packed_file.write(read) == data


def test_a_reader_of_the_documents_words_alone_finds_every_weight():
    """Written from docs/packed_format.md, with none of the project's code."""
    bits = {"float32": 32, "float16": 16, "int16": 16, "int8": 8, "bool": 1, "binary": 1, "ternary": 2}
    bits |= {f"k{k}": k for k in range(1, 9)}
    for scheme in ("binary", "ternary", "k1", "k3", "k8"):
        made = network(scheme)
        data = packed_file.write(made)
        magic, version, size = struct.unpack("<8sII", data[:16])
        assert (magic, version) == (b"\x89ENASQ\r\n", 1)
        assert hashlib.sha256(data[:-32]).digest() == data[-32:]
        header = json.loads(zlib.decompress(data[16 : 16 + size]))
        at = 16 + size
        for operation, (kind, inputs, attributes, tensors) in zip(made.operations, header["operations"], strict=True):
            assert (kind, tuple(inputs), attributes) == (operation.kind, operation.inputs, operation.attributes)
            for name, (dtype, *shape) in tensors.items():
                count = int(np.prod(shape))
                end = at + -(-count * bits[dtype] // 8)
                number = int.from_bytes(data[at:end], "little")
                fields = [number >> (bits[dtype] * i) & (2 ** bits[dtype] - 1) for i in range(count)]
                at = end
                expected = operation.tensors[name].array.ravel()
                if dtype in ("binary", "k1"):
                    found = [2 * field - 1 for field in fields]
                elif dtype in ("float32", "float16"):
                    unsigned = np.array(fields, f"<u{bits[dtype] // 8}")
                    found = unsigned.view(f"<f{bits[dtype] // 8}")
                elif dtype == "bool":
                    found = fields
                else:
                    half = 2 ** (bits[dtype] - 1)
                    found = [field - 2 * half if field >= half else field for field in fields]
                np.testing.assert_array_equal(found, expected)
        assert at == len(data) - 32


def test_the_document_lists_every_operation_and_dtype():
    from quantize.runtime.model import operations as module

    for name in (*module._KINDS, *module.NUMBER_BITS):
        assert f"`{name}`" in DOCUMENT, name
    assert f"version {packed_file.VERSION}" in DOCUMENT


def test_weights_take_their_true_width():
    make = Maker(0, (4, 4, 3))
    x = make.emit("float_conv", 0, tensors={"weights": make.weights("float32", 3, 3, 3, 64)})
    for scheme in ("binary", "ternary", "k4"):
        y = make.emit("quantize", x, scheme=scheme, factor=1.0)
        x = make.emit("conv", y, tensors={"weights": make.weights(scheme, 3, 3, 64, 64)})
    numbers = 3 * 9 * 64 * 64
    others = 4 * (27 * 64 + 64 * 4 + 4)
    size = len(packed_file.write(make.network(x)))
    assert numbers * 7 / 24 + others < size < numbers * 7 / 24 + others + 800


def rewritten(data, change):
    """A packed file whose header was changed, with a checksum that matches."""
    size = struct.unpack_from("<I", data, 12)[0]
    header = json.loads(zlib.decompress(data[16 : 16 + size]))
    change(header)
    header = zlib.compress(json.dumps(header).encode())
    body = data[:12] + struct.pack("<I", len(header)) + header + data[16 + size : -32]
    return body + hashlib.sha256(body).digest()


def set_item(path, value):
    def change(header):
        *parents, last = path
        for key in parents:
            header = header[key]
        header[last] = value

    return change


@pytest.mark.parametrize(
    "change, words",
    [
        (set_item(["operations", 0, 0], "explode"), r"operation 0 \(explode\): there is no such operation"),
        (set_item(["operations", 1, 1], [7]), r"operation 1 \(quantize\): reads the values \[7\]"),
        (set_item(["operations", 1, 1], [-1]), r"reads the values \[-1\]"),
        (set_item(["operations", 1, 2, "factor"], -1), "factor is -1"),
        (set_item(["operations", 1, 2, "scheme"], "k9"), "scheme is 'k9'"),
        (set_item(["operations", 2, 3, "weights"], ["k2", 3, 3, 2**40]), "a tensor has shape"),
        (set_item(["operations", 2, 3, "weights"], ["object", 1]), "'object' is no type of numbers"),
        (set_item(["preprocessing", "height"], 10**9), "preprocessing is not that of images"),
        (set_item(["preprocessing", "std"], [0, 0, 0]), "mean and std"),
        (set_item(["class_names"], ["one"]), r"the last operation makes float values \[4\], expected 1 logits"),
        (set_item(["operations"], 3), "its header is not that of a network"),
        (set_item(["origin"], []), "origin is no object"),
    ],
)
def test_a_wrong_header_gets_one_clear_line(change, words):
    with pytest.raises(packed_file.PackedFileError, match=words) as error:
        packed_file.read(rewritten(packed_file.write(network("k2")), change))
    assert "\n" not in str(error.value)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_no_changed_byte_goes_unnoticed(place, change):
    data = bytearray(packed_file.write(network("ternary")))
    data[place % len(data)] ^= change
    with pytest.raises(packed_file.PackedFileError):
        packed_file.read(bytes(data))


@pytest.mark.parametrize("size", [0, 7, 20, 60, -1])
def test_a_cut_file_is_refused(size):
    with pytest.raises(packed_file.PackedFileError, match="not a packed network|checksum"):
        packed_file.read(packed_file.write(network("ternary"))[:size])


def test_another_version_is_told():
    data = packed_file.write(network("k4"))
    with pytest.raises(
        packed_file.PackedFileError, match=re.escape("a packed network of version 2, this program reads 1")
    ):
        packed_file.read(data[:8] + b"\2\0\0\0" + data[12:])


def test_a_network_whose_weights_are_not_finite_is_refused():
    made = network("k4")
    bad = Tensor("float32", np.array([1.0, np.nan, 1, 1], np.float32))
    last = made.operations[-1]
    operation = Operation(last.kind, last.inputs, {**last.tensors, "offset": bad})
    with pytest.raises(NetworkError, match=r"\(dense\): offset is not finite"):
        Network(made.preprocessing, made.class_names, (*made.operations[:-1], operation), {})


@pytest.mark.parametrize("scheme", sorted(codes.SCHEMES))
def test_a_network_runs_alike_before_and_after_and_in_batches(scheme):
    made = network(scheme)
    images = np.random.default_rng(0).integers(0, 256, (40, 6, 5, 3), np.uint8)
    expected = executor.logits_of(made, NumpyKernels())(images)
    run = executor.logits_of(packed_file.read(packed_file.write(made)), NumpyKernels())
    np.testing.assert_array_equal(run(images), expected)
    np.testing.assert_allclose(np.concatenate([run(images[:7]), run(images[7:])]), expected, rtol=1e-5, atol=1e-6)
    assert run(images[:0]).shape == (0, 4)


def test_predictions_are_the_softmax_sorted():
    [found] = executor.predictions(np.log(np.array([[0.2, 0.5, 0.3]], np.float32)), 2)
    assert found.classes == (1, 2)
    np.testing.assert_allclose(found.probabilities, (0.5, 0.3), rtol=1e-6)
    assert dataclasses.asdict(found)

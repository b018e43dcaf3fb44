"""The packed file: a trained network in one file, its weights at their true widths; see docs/packed_format.md."""

import hashlib
import json
import math
import os
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from quantize.runtime import packing
from quantize.runtime.codes import SCHEMES, Array
from quantize.runtime.model.network import Network, NetworkError, described, whole
from quantize.runtime.model.operations import MOST_VALUES, NUMBER_BITS, Operation, Tensor

MAGIC = b"\x89ENASQ\r\n"
VERSION = 1
_START = struct.Struct("<8sII")
_DIGEST_BYTES = 32
_MOST_HEADER, _MOST_FILE = 2**24, 2**31  # bytes
_MOST_OPERATIONS = 100_000


class PackedFileError(ValueError):
    """The data is no packed file, or a damaged one. The message is one line."""


def write(network: Network) -> bytes:
    """Returns the bytes of the packed file of a network."""
    tensors = [tensor for operation in network.operations for tensor in operation.tensors.values()]
    header = zlib.compress(json.dumps(_header(network), separators=(",", ":")).encode(), 9)
    body = _START.pack(MAGIC, VERSION, len(header)) + header + b"".join(map(_tensor_bytes, tensors))
    return body + hashlib.sha256(body).digest()


def _header(network: Network) -> dict[str, Any]:
    return {
        **network.metadata(),
        "operations": [
            [
                operation.kind,
                operation.inputs,
                operation.attributes,
                {name: [tensor.dtype, *tensor.array.shape] for name, tensor in operation.tensors.items()},
            ]
            for operation in network.operations
        ],
    }


def _tensor_bytes(tensor: Tensor) -> bytes:
    if tensor.dtype in SCHEMES:
        return packing.pack(tensor.array, tensor.dtype)
    if tensor.dtype == "bool":
        return np.packbits(tensor.array, bitorder="little").tobytes()
    return np.ascontiguousarray(tensor.array).astype(np.dtype(tensor.dtype).newbyteorder("<")).tobytes()


def is_packed(start: bytes) -> bool:
    """Whether a file that begins with these bytes, 8 or more, is meant to be a packed file."""
    return start.startswith(MAGIC)


def load(path: str | os.PathLike[str]) -> Network:
    """Reads a packed file.

    Raises:
      OSError: the file can't be read.
      PackedFileError: see `read`.
    """
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size > _MOST_FILE:
            raise PackedFileError(f"more than {_MOST_FILE:,} bytes")
        return read(file.read())


def read(data: bytes) -> Network:
    """Reads the bytes of a packed file. Nothing in them is executed, and no size in them is trusted.

    Raises:
      PackedFileError: they are something else, of another version, or damaged.
    """
    if len(data) < _START.size + _DIGEST_BYTES or not is_packed(data):
        raise PackedFileError("not a packed network")
    _, version, header_bytes = _START.unpack_from(data)
    if version != VERSION:
        raise PackedFileError(f"a packed network of version {version}, this program reads {VERSION}")
    body = memoryview(data)[:-_DIGEST_BYTES]
    if hashlib.sha256(body).digest() != data[-_DIGEST_BYTES:]:
        raise PackedFileError("damaged: the checksum does not match")
    try:
        header = _parsed(bytes(body[_START.size : _START.size + header_bytes]))
        return _network(header, body[_START.size + header_bytes :])
    except NetworkError as error:
        raise PackedFileError(f"damaged: {_one_line(error)}") from None
    # Fields that are missing or of another type than they should be.
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise PackedFileError(f"damaged: its header is not that of a network ({_one_line(error)})") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _parsed(compressed: bytes) -> dict[str, Any]:
    inflate = zlib.decompressobj()
    try:
        text = inflate.decompress(compressed, _MOST_HEADER)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not inflate.eof or inflate.unused_data:
        raise ValueError(f"it is not whole, or larger than {_MOST_HEADER:,} bytes")
    header = json.loads(text)
    if not isinstance(header, dict):
        raise ValueError("it is no object")
    return header


def _network(header: Mapping[str, Any], blob: memoryview) -> Network:
    operations, at = [], 0
    if len(header["operations"]) > _MOST_OPERATIONS:
        raise ValueError("it has too many operations")
    for kind, inputs, attributes, tensors in header["operations"]:
        found = {}
        for name, (dtype, *shape) in tensors.items():
            found[name], at = _tensor(blob, at, dtype, shape)
        operations.append(Operation(str(kind), tuple(map(whole, inputs)), found, dict(attributes)))
    if at != len(blob):
        raise ValueError(f"its tensors take {at} bytes, {len(blob)} are there")
    form, names, origin = described(header)
    return Network(form, names, tuple(operations), origin)


def _tensor(blob: memoryview, at: int, dtype: str, shape: list[Any]) -> tuple[Tensor, int]:
    """Reads a tensor; returns it and where it ends."""
    if dtype not in NUMBER_BITS and dtype not in SCHEMES:
        raise ValueError(f"{dtype!r} is no type of numbers")
    if len(shape) > 4 or any(whole(side) < 0 for side in shape) or math.prod(shape) > MOST_VALUES:
        raise ValueError(f"a tensor has shape {shape[:5]}")
    count = math.prod(shape)
    size = packing.packed_size(count, dtype) if dtype in SCHEMES else -(-count * NUMBER_BITS[dtype] // 8)
    if at + size > len(blob):
        raise ValueError(f"{dtype} numbers {shape} go beyond the end")
    return Tensor(dtype, _numbers(bytes(blob[at : at + size]), dtype, shape)), at + size


def _numbers(data: bytes, dtype: str, shape: list[int]) -> Array:
    if dtype in SCHEMES:
        return packing.unpack(data, dtype, shape)
    if dtype == "bool":
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        count = math.prod(shape)
        if bits[count:].any():
            raise ValueError("bits after the last number are not zero")
        return bits[:count].astype(bool).reshape(shape)
    return np.frombuffer(data, np.dtype(dtype).newbyteorder("<")).astype(dtype).reshape(shape)

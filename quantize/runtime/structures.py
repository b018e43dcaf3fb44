"""The structures of kernels/runtime.h."""

import ctypes
import enum

from quantize.runtime.codes import Codes, Kind
from quantize.runtime.memory import address

_POINTER, _LONG, _INT, _FLOAT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32, ctypes.c_float


class Kernel(enum.IntEnum):
    """`enum kernel_id`."""

    QUANTIZE = 0
    BIT_DEPTHWISE = 1
    BYTE_DEPTHWISE = 2
    CONV = 3
    AVERAGE_POOL = 4
    MAX_POOL = 5
    GLOBAL_POOL = 6
    FLOAT_CONV = 7
    ADD = 8
    FLOAT_DEPTHWISE = 9
    ACTIVATE = 10
    COPY = 11


class Activation(enum.IntEnum):
    """`enum activation`."""

    RELU = 0
    BINARY = 1
    TERNARY = 2
    LEVELS = 3
    IMAGE = 4


def _fields(kind: type, names: str) -> list[tuple[str, type]]:
    return [(name, kind) for name in names.split()]


class CodesView(ctypes.Structure):
    """`struct codes`."""

    _fields_ = [("data", _POINTER), *_fields(_LONG, "image row plane pixel")]


class Quantize(ctypes.Structure):
    """`struct quantize`."""

    _fields_ = [
        ("x", _POINTER),
        *_fields(_LONG, "batch height width channels x_pixel"),
        ("out", CodesView),
        ("factor", _FLOAT),
        *_fields(_INT, "scheme levels"),
    ]


class BitDepthwise(ctypes.Structure):
    """`struct bit_depthwise`."""

    _fields_ = [
        *_fields(CodesView, "x out"),
        *_fields(_LONG, "batch height words"),
        *_fields(_INT, "side scheme classes columns"),
        *_fields(_POINTER, "weights thresholds flip"),
    ]


class ByteDepthwise(ctypes.Structure):
    """`struct byte_depthwise`."""

    _fields_ = [
        *_fields(CodesView, "x out"),
        *_fields(_LONG, "batch height width channels"),
        *_fields(_INT, "side levels"),
        *_fields(_POINTER, "weights scale offset"),
    ]


class Conv(ctypes.Structure):
    """`struct conv`."""

    _fields_ = [
        ("x", CodesView),
        *_fields(_LONG, "line span batch height width outputs groups y_pixel"),
        *_fields(_INT, "side scheme narrow tiles"),
        *_fields(_POINTER, "weights base border scale offset residual y sums"),
    ]


class Floats(ctypes.Structure):
    """`struct floats`."""

    _fields_ = [
        *_fields(_POINTER, "x w scale offset y"),
        *_fields(_LONG, "batch height width channels outputs x_pixel"),
        *_fields(_INT, "side relu"),
    ]


class Activate(ctypes.Structure):
    """`struct activate`."""

    _fields_ = [
        *_fields(_POINTER, "x y"),
        ("row", _LONG),
        *_fields(_FLOAT, "factor unit"),
        *_fields(_INT, "kind levels"),
    ]


class Copy(ctypes.Structure):
    """`struct copy`."""

    _fields_ = [
        *_fields(_POINTER, "x y"),
        *_fields(_LONG, "height width channels x_image x_row x_pixel y_image y_row y_pixel"),
    ]


class Feed(ctypes.Structure):
    """`struct feed`."""

    _fields_ = [*_fields(_POINTER, "images memory"), ("bytes", _LONG)]


def view(codes: Codes, y: int = 0, x: int = 0, channel: int = 0) -> CodesView:
    """The view of codes from pixel (y, x) and, of bytes, from a channel on. Steps are in elements of the array."""
    item = codes.array.itemsize
    steps = [stride // item for stride in codes.array.strides]
    if codes.arithmetic.kind == Kind.BYTES:
        image, row, pixel, _ = steps
        plane = 0
    else:
        image, row, plane, pixel, _ = steps
    begin = (codes.margin + y) * row + (codes.margin + x) * pixel + channel
    start = address(codes.array)
    assert start is not None
    return CodesView(start + begin * item, image, row, plane, pixel)

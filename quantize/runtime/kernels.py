"""The face of the kernels: small functions on arrays, which the native kernels and NumPy both stand behind."""

import os
from collections.abc import Callable, Sequence
from typing import Protocol

from quantize.runtime import build
from quantize.runtime.codes import Array, Codes
from quantize.runtime.layers import Conv, Depthwise
from quantize.runtime.native import LEVELS, NativeKernels
from quantize.runtime.numpy_kernels import NumpyKernels

LEVEL_VARIABLE = "QUANTIZE_RUNTIME_LEVEL"


class Kernels(Protocol):
    """Kernels of one level. All levels compute the same bits.

    Images are float32 `[N, H, W, C]`. Arrays need not be contiguous, but contiguous ones save a copy. To `quantize` and
    to the pools of 3x3 pixels a slice of channels counts as contiguous.

    Attributes:
      level: "numpy", "plain", "neon", "avx2", "avx512" or "amx".
    """

    level: str

    def quantize(self, xs: Array | Sequence[Array], scheme: str, factor: float = 1.0, margin: int = 0) -> Codes:
        """Quantizes factor * x by the scheme's activation.

        Args:
          xs: images, or several of one N, H and W, whose channels are concatenated.
          margin: pixels of zero codes around every image, for the window of a convolution that follows.
        """
        ...

    def depthwise(self, x: Codes, layer: Depthwise, margin: int = 0) -> Codes:
        """Computes a depthwise convolution, batch norm and activation.

        Args:
          x: with a margin of at least k // 2.
          margin: of the result.

        Raises:
          ValueError: x does not fit the layer.
        """
        ...

    def conv(self, x: Codes, layer: Conv, residual: Array | None = None, stride: int = 1, start: int = 0) -> Array:
        """Computes a convolution with zero padding, stride 1, and its affine map, plus the residual.

        A 1x1 convolution may compute every stride-th pixel of every stride-th row only, beginning with pixel `start` of
        row `start`. What lies beyond odd sides is zero; x needs a margin for it.

        Args:
          residual: `[N, ceil(H / stride), ceil(W / stride), Cout]`, of the result's shape.

        Raises:
          ValueError: x does not fit the layer.
        """
        ...

    def conv_sums(self, x: Codes, layer: Conv, stride: int = 1, start: int = 0) -> Array:
        """Computes the sums of `conv` before the affine map, int32."""
        ...

    def factorized_reduction(self, x: Codes, first: Conv, second: Conv) -> Array:
        """Concatenates the outputs of two 1x1 convolutions with stride 2, which begin with the first pixel of the first row
        and with the second of the second.

        Args:
          x: with a margin of 1 if a side is odd.

        Raises:
          ValueError: x does not fit a layer.
        """
        ...

    def average_pool(self, x: Array) -> Array:
        """Averages 3x3 pixels at stride 1; the padding is left out of the count."""
        ...

    def max_pool(self, x: Array) -> Array:
        """Takes the maximum of 3x3 pixels at stride 1."""
        ...

    def global_pool(self, x: Array, relu: bool = False) -> Array:
        """Averages all pixels of each image, `[N, C]`; with relu, of max(x, 0)."""
        ...

    def float_conv(self, x: Array, w: Array, scale: Array, offset: Array) -> Array:
        """Convolves floats with w `[k, k, Cin, Cout]`, stride 1, zero padding; then times scale plus offset `[Cout]`.

        Raises:
          ValueError: w does not fit x, or k is even, or more than 1 with more than 256 channels.
        """
        ...

    def float_depthwise(self, x: Array, w: Array) -> Array:
        """Convolves each channel of floats with w `[k, k, C]`, stride 1, zero padding."""
        ...

    def activate(self, x: Array, scheme: str, factor: float, unit: float) -> Array:
        """Computes unit times the values that `quantize` gives, as floats."""
        ...

    def relu(self, x: Array, factor: float = 1.0) -> Array:
        """Computes max(factor * x, 0), factor > 0."""
        ...

    def quantize_image(self, x: Array) -> Array:
        """Rounds to multiples of 1/32 in [-4, 4), halves to even; see `quantize.schemes.quantized_image`."""
        ...

    def concat(self, xs: Sequence[Array]) -> Array:
        """Joins the channels of images of one N, H and W."""
        ...

    def channels(self, x: Array, first: int, count: int) -> Array:
        """Copies `count` channels from `first` on."""
        ...

    def subsample(self, x: Array, start: int) -> Array:
        """Takes every second pixel of every second row from `start`, 0 or 1, on; zero beyond odd sides."""
        ...

    def pad_even(self, x: Array) -> Array:
        """Adds a row or a column of zeros behind an odd side."""
        ...

    def dense(self, x: Array, w: Array, b: Array) -> Array:
        """Computes x w + b of floats, x `[N, Cin]` and w `[Cin, Cout]`."""
        ...

    def add(self, x: Array, y: Array, factor: float = 1.0) -> Array:
        """Computes factor * (x + y) of arrays of the same shape."""
        ...

    def program(self, function: Callable[..., Array], *inputs: Array) -> Callable[..., Array]:
        """Turns a function that calls kernels into one that is faster to call again.

        Args:
          function: takes kernels and arrays, and returns an array, all of as many images. It does nothing but hand arrays,
            or what the kernels returned, to kernels.
          *inputs: arrays of images of the shapes that it will be called with.

        Returns:
          What takes arrays of any number of such images, and returns the function's result. One thread may call it at a
          time.
        """
        ...


def get(level: str | None = None, threads: int = 1) -> Kernels:
    """Returns kernels.

    Args:
      level: a value of `Kernels.level`; None: that of the environment variable QUANTIZE_RUNTIME_LEVEL, or else the
        fastest that this processor and compiler allow. NumPy's take the place of all where nothing compiles, with a
        warning that says why.
      threads: how many threads share a kernel's work.

    Raises:
      ValueError: there is no such level, or this processor lacks it.
      build.BuildError: a level was asked for, and it can't be compiled.
    """
    level = level or os.environ.get(LEVEL_VARIABLE) or None
    if level == "numpy":
        return NumpyKernels()
    if level is not None and level not in LEVELS:
        raise ValueError(f"{LEVEL_VARIABLE} or level is {level!r}; choose from numpy, {', '.join(LEVELS)}")
    try:
        return NativeKernels(build.library(), level, threads)
    except build.BuildError as error:
        if level is not None:
            raise
        build.warn_once(f"{error}; the slow NumPy kernels are used")
        return NumpyKernels()


def levels() -> list[str]:
    """Returns the levels that work on this machine, slowest first.

    Raises:
      build.BuildError: the kernels can't be compiled.
    """
    return ["numpy", *NativeKernels.available(build.library())]

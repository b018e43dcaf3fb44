"""Damaged packed files: half of them with a checksum that matches, as an attacker would make it."""

import hashlib
import random
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from enas.export import packed as packed_format
from quantize.runtime.model import executor, packed_file
from quantize.runtime.numpy_kernels import NumpyKernels
from scripts.fuzzing.fuzz_inputs import mutated

_MOST_NUMBERS = 10**5  # of a network that is run as well


def packed() -> Callable:
    """Makes the target."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "helpers"))
    from made_up_networks import network

    whole = [packed_file.write(network(scheme, seed)) for seed, scheme in enumerate(("binary", "ternary", "k2", "k5"))]

    def target(rng: random.Random, folder: Path) -> Callable[[], None]:
        data = rng.choice(whole)
        kind = rng.randrange(4)
        if kind == 0:
            data = mutated(rng, data, whole)
        elif kind == 1:
            data = _signed(mutated(rng, data[:-32], whole))
        else:
            size = struct.unpack_from("<I", data, 12)[0]
            header = mutated(rng, zlib.decompress(data[16 : 16 + size]))
            blob = data[16 + size : -32] if kind == 2 else mutated(rng, data[16 + size : -32], whole)
            header = zlib.compress(header)
            data = _signed(data[:12] + struct.pack("<I", len(header)) + header + blob)
        path = folder / "child.packed"
        path.write_bytes(data)
        return lambda: _read_and_run(path)

    return target


def _signed(body: bytes) -> bytes:
    return body + hashlib.sha256(body).digest()


def _read_and_run(path: Path) -> None:
    network = packed_format.open_model(str(path)).network
    form = network.preprocessing
    if sum(int(np.prod(value.shape)) for value in network.values()) < _MOST_NUMBERS:
        images = np.zeros((2, form.height, form.width, form.channels), np.uint8)
        with np.errstate(all="ignore"):
            executor.logits_of(network, NumpyKernels())(images)

"""Fuzz targets: data sets, as IDX files, CIFAR-10's pickles, images and zip files."""

import gzip
import io
import os
import pickle
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

from enas.data.readers import cifar as cifar_reader
from enas.data.readers import folder
from enas.data.readers import idx as idx_reader
from enas.data.readers import images as image_reader
from scripts.fuzzing.fuzz_inputs import mutated


def _pixels(count, side, channels, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, channels), np.uint8)


def _form(rng):
    return image_reader.Form(
        *rng.choice(((0, 0), (8, 8), (5, 12))), rng.choice((0, 1, 3)), rng.choice(("stretch", "crop", "pad"))
    )


def idx() -> Callable:
    """The four files of an IDX set, one of them damaged before or after it was gzipped; all of it is read."""

    def file(array):
        return struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.tobytes()

    good = {
        "train-images-idx3-ubyte": file(_pixels(6, 4, 1)[..., 0]),
        "train-labels-idx1-ubyte": file(np.arange(6, dtype=np.uint8) % 3),
        "t10k-images-idx3-ubyte": file(_pixels(3, 4, 1)[..., 0]),
        "t10k-labels-idx1-ubyte": file(np.arange(3, dtype=np.uint8)),
    }

    def target(rng, root):
        victim = rng.choice(sorted(good))
        for name, data in good.items():
            if name == victim:
                data = mutated(rng, data, list(good.values()))
                if rng.random() < 0.5:
                    data = gzip.compress(data, 1)
                    data = mutated(rng, data) if rng.random() < 0.7 else data
            (root / name).write_bytes(data)

        def run():
            source = idx_reader.read(str(root), "mnist", _form(rng))
            source.train.read(np.arange(len(source.train.labels)))
            source.test.read(np.arange(len(source.test.labels)))

        return run

    return target


class _Call:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


def cifar() -> Callable:
    """CIFAR-10's seven files, one of them damaged, or replaced by a pickle that asks for a call."""
    files = {}
    for seed, name in enumerate((*cifar_reader.BATCHES, "test_batch")):
        rows = np.random.default_rng(seed).integers(0, 256, (2, 3072), np.uint8)
        files[name] = pickle.dumps({b"data": rows, b"labels": [seed, 9]}, protocol=2)
    files["batches.meta"] = pickle.dumps({b"label_names": [b"name %d" % n for n in range(10)]}, protocol=2)

    def hostile(rng, root):
        path = str(root.parent / "written_outside")
        call = rng.choice(
            (
                _Call(os.system, f"touch {path}"),
                _Call(eval, f"open({path!r}, 'w')"),
                _Call(exec, "import os; os.abort()"),
                _Call(open, path, "w"),
                _Call(os.kill, os.getpid(), 9),
                _Call(np.load, path, None, True),
                _Call(np.ndarray, (2**34,)),
                _Call(bytearray, 2**40),
                _Call(getattr, "", "format"),
            )
        )
        content = rng.choice((call, {b"data": call, b"labels": [1]}, [call] * 3, {b"x": call}))
        data = pickle.dumps(content, protocol=rng.randrange(5))
        return mutated(rng, data) if rng.random() < 0.5 else data

    def target(rng, root):
        victim = rng.choice(sorted(files))
        for name, data in files.items():
            if name == victim:
                near = data[:160] + data[-200:] if rng.random() < 0.5 else data  # where the opcodes are
                data = hostile(rng, root) if rng.random() < 0.3 else mutated(rng, near, list(files.values()))
            if not (root / name).exists() or (root / name).read_bytes() != data:
                (root / name).write_bytes(data)

        def run():
            source = cifar_reader.read(str(root), image_reader.Form())
            source.train.read(np.arange(len(source.train.labels)))

        return run

    return target


def _encoded():
    """Image files as bytes, small and of every format: PNG and JPEG of several kinds first."""
    import cv2

    result = []
    for channels in (1, 3, 4):
        image = np.random.default_rng(channels).integers(0, 256, (9, 7, channels), np.uint8)
        result.append(cv2.imencode(".png", image)[1].tobytes())
        if channels != 4:
            result.append(cv2.imencode(".jpg", image)[1].tobytes())
            result.append(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes())
    colours = np.random.default_rng(0).integers(0, 256, (40, 33, 3), np.uint8)
    others = (".webp", ".gif", ".bmp", ".tiff", ".avif", ".jp2", ".ppm", ".pam", ".ras")
    return result + [cv2.imencode(extension, colours)[1].tobytes() for extension in others]


def _fixed_png(data):
    """A damaged PNG with right checksums again, so that what is behind them is reached; as it is where it has no chunks."""
    fixed, position = bytearray(data[:8]), 8
    while position + 12 <= len(data):
        length = struct.unpack_from(">I", data, position)[0]
        body = data[position + 4 : position + 8 + length]
        if len(body) < 4 + length:
            break
        fixed += struct.pack(">I", length) + body + struct.pack(">I", zlib.crc32(body))
        position += 12 + length
    return bytes(fixed) + data[position:]


def images() -> Callable:
    """One damaged image in a folder of classes; all of it is read."""
    good = _encoded()

    def target(rng, root):
        if not (root / "test").exists():
            for split in ("train", "test"):
                for name in ("cat", "dog"):
                    os.makedirs(root / split / name)
                    (root / split / name / "good.png").write_bytes(good[0])
        data = mutated(rng, rng.choice(good), good)
        if data.startswith(good[0][:8]) and rng.random() < 0.7:
            data = _fixed_png(data)
        (root / "train" / "cat" / "good.png").write_bytes(data)

        def run():
            if rng.random() < 0.9:  # listing the folder costs more than the decoding
                form = _form(rng)
                name = rng.choice(("good.png", "good.bmp"))
                image_reader.convert(image_reader.decode(data, name, form), form)
            else:
                train = folder.read(str(root), _form(rng)).train
                for index in range(len(train.labels)):
                    train.files.decode(index)

        return run

    return target


NAMES = (
    "../outside.png",
    "cat/../../outside.png",
    "/tmp/enas_fuzz_outside.png",
    "C:\\outside.png",
    "cat\\..\\..\\outside.png",
    "cat/./x.png",
    "cat//x.png",
    "cat/x\0.png",
    ".",
    "..",
    "cat/x.png/y.png",
    "a/" * 300 + "x.png",
    "cat/" + "x" * 300 + ".png",
    "ca\u202et/x.png",
)


def zips() -> Callable:
    """A train.zip with hostile members (paths, links, bombs, other methods), or a damaged one; all of it is read."""
    good = _encoded()
    plain = _zip({f"{name}/{number}.png": good[0] for name in ("cat", "dog") for number in range(2)})

    def hostile(rng):
        members = {f"{name}/good.png": good[0] for name in ("cat", "dog")}
        for _ in range(rng.randrange(1, 4)):
            kind = rng.randrange(4)
            if kind == 0:
                members[rng.choice(NAMES)] = good[0]
            elif kind == 1:
                info = zipfile.ZipInfo(f"cat/link{rng.randrange(3)}.png")
                mode = rng.choice((stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK, stat.S_IFREG)) | 0o777
                info.external_attr = mode << 16
                members[info] = b"/etc/passwd"
            elif kind == 2:
                members["dog/bomb.png"] = good[0] + bytes(rng.choice((10**5, 3 * 10**6)))
            else:
                members["cat/damaged.png"] = mutated(rng, rng.choice(good), good)
        return _zip(members)

    def target(rng, root):
        data = hostile(rng) if rng.random() < 0.3 else plain
        if data is plain or rng.random() < 0.3:
            tail = len(data) - data.rindex(b"PK\1\2") + 200 if rng.random() < 0.5 else len(data)
            data = data[:-tail] + mutated(rng, data[-tail:], [plain])
        (root / "train.zip").write_bytes(data)
        if not (root / "test.zip").exists():
            (root / "test.zip").write_bytes(plain)

        def run():
            train = folder.read(str(root), _form(rng)).train
            if rng.random() < 0.3:
                for index in range(len(train.labels)):
                    train.files.decode(index)

        return run

    return target


def _zip(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return buffer.getvalue()

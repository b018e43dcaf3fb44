"""What `scripts/fuzz.py` runs: for each reader, how an input is made and how it is read.

A target is made once in a process; it is then a function of (rng, folder) that writes one input into `folder` and returns
the function that reads it.
"""

import dataclasses
import gzip
import io
import json
import os
import pickle
import shutil
import stat
import struct
import zipfile
from collections.abc import Callable

import numpy as np
from absl import flags as absl_flags

from enas import arc_input, cli, flags, run_directory, run_facts, spaces
from enas import config as configs
from enas.data import cifar, folder, idx, images
from enas.errors import UserError
from enas.micro import config as micro_config


@dataclasses.dataclass(frozen=True)
class Target:
    """A reader to be fuzzed.

    Attributes:
      make: returns the target.
      share: its part of all inputs, relative to the others'.
      limited: its memory is limited (TensorFlow maps more than it uses).
    """

    make: Callable
    share: float
    limited: bool = True


INTERESTING = (0, 1, 2, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1)


def mutated(rng, data, others=()):
    """Returns bytes with one to eight changes: bits, bytes, numbers, cuts, copies, and pieces of other inputs."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice((1, 2, 4, 16, 256)))
        kind = rng.randrange(8)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at:end] = bytes(rng.randrange(256) for _ in range(rng.randrange(5)))
        elif kind == 2:
            del data[at:end]
        elif kind == 3:
            data[at:at] = data[at:end] * rng.choice((1, 2, 50))
        elif kind == 4:
            value = rng.choice(INTERESTING)
            data[at : at + 4] = struct.pack(rng.choice("<>") + "I", value)
        elif kind == 5:
            del data[at:]
        elif kind == 6 and others:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            data[at:end] = other[start : start + rng.choice((4, 16, 256))]
        else:
            value = rng.choice(INTERESTING) & 0xFFFF
            data[at : at + 2] = struct.pack(rng.choice("<>") + "H", value)
    return bytes(data)


def _pixels(count, side, channels, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, channels), np.uint8)


def _form(rng):
    return images.Form(
        *rng.choice(((0, 0), (8, 8), (5, 12))), rng.choice((0, 1, 3)), rng.choice(("stretch", "crop", "pad"))
    )


def _idx():
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
            source = idx.read(str(root), "mnist", _form(rng))
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


def _cifar():
    """CIFAR-10's seven files, one of them damaged, or replaced by a pickle that asks for a call."""
    files = {}
    for seed, name in enumerate((*cifar.BATCHES, "test_batch")):
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
            source = cifar.read(str(root), images.Form())
            source.train.read(np.arange(len(source.train.labels)))

        return run

    return target


def _encoded():
    """PNG and JPEG files as bytes, small and of several kinds."""
    import cv2

    result = []
    for channels in (1, 3, 4):
        image = np.random.default_rng(channels).integers(0, 256, (9, 7, channels), np.uint8)
        result.append(cv2.imencode(".png", image)[1].tobytes())
        if channels != 4:
            result.append(cv2.imencode(".jpg", image)[1].tobytes())
            result.append(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes())
    return result


def _fixed_png(data):
    """A damaged PNG with right checksums again, so that what is behind them is reached; as it is where it has no chunks."""
    import zlib

    fixed, position = bytearray(data[:8]), 8
    while position + 12 <= len(data):
        length = struct.unpack_from(">I", data, position)[0]
        body = data[position + 4 : position + 8 + length]
        if len(body) < 4 + length:
            break
        fixed += struct.pack(">I", length) + body + struct.pack(">I", zlib.crc32(body))
        position += 12 + length
    return bytes(fixed) + data[position:]


def _images():
    """One damaged PNG or JPEG in a folder of classes; all of it is read."""
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
                images.convert(images.decode(data, "good.png", form), form)
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


def _zips():
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


def _arcs():
    """A damaged arc file of any search space, as text, JSON or .npy; an arc that is read prints back to the same arc."""
    texts = (
        "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1\n",
        "0 0 1 1 2 3 0 4 1 2 0 0 1 4 2 1\n",
        "0  3 0  1 0 1  5 0 0 1",
        "0 0 1 1 2 3 0",
    )
    good = [text.encode() for text in texts]
    good.append("٣ 1e3 -0 +1 0x1 1_0 ".encode() * 8)
    for text in texts[:3]:
        values = list(map(int, text.split()))
        good += [json.dumps(values).encode(), json.dumps({"arc": text}).encode(), _npy(np.array(values))]
    good.append(_npy(np.array([{"a": 1}, None], object)))
    good.append(b"[" * 100_000)
    modules = [spaces.module(name, "arc") for name in spaces.names()]

    def target(rng, root):
        data = rng.choice(good)
        words = data.split()
        if rng.random() < 0.4 and len(words) > 4:
            words[rng.randrange(len(words))] = str(
                rng.choice((0, 1, 2, 3) if rng.random() < 0.5 else (*INTERESTING, -1, 5, 10**30))
            ).encode()
            data = b" ".join(words)
        else:
            data = mutated(rng, data, good)
        (root / "arc.txt").write_bytes(data)

        def run():
            module = rng.choice(modules)
            found = arc_input.from_file(str(root / "arc.txt"), module.from_list)
            assert module.parse(str(found)) == found

        return run

    return target


def _npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _run_directories():
    """A run directory whose config.json, or one of whose records, is damaged; it is checked, opened and read."""
    config = micro_config.SearchConfig()
    values = {"format": run_facts.MARK, "kind": "search", "space": "micro", **configs.to_values(config)}
    good = json.dumps(values, indent=2).encode()
    record = b'{"epoch": 1, "val_accuracy": 0.5, "arc": "0 1"}\n'

    def damaged_value(rng):
        wrong = (None, [], {}, "x", -1, 1e400, float("nan"), True, 10**400, "\ud800", {"a": [1] * 5})
        return json.dumps({**values, rng.choice(sorted(values)): rng.choice(wrong)}).encode()

    def target(rng, root):
        shutil.rmtree(root)
        root.mkdir()
        data = damaged_value(rng) if rng.random() < 0.4 else mutated(rng, good)
        (root / "config.json").write_bytes(good if rng.random() < 0.2 else data)
        (root / "arcs.jsonl").write_bytes(mutated(rng, record * 3))
        path = str(root)

        def run():
            try:
                stored = run_facts.stored_values(path)
                configs.from_values(micro_config.SearchConfig, stored)
            except UserError:
                pass
            now = configs.from_values(micro_config.SearchConfig, {"output_dir": path})
            run_directory.check_output_dir(now, "search")
            with run_directory.open_run(now, "search") as opened:
                opened.read("arcs.jsonl")

        return run

    return target


def _flags():
    """A command line with one or two flags of any option and any value."""
    values = absl_flags.FlagValues()
    flags.define(micro_config.SearchConfig, values)
    names = [name for name, _, _ in configs.options(micro_config.SearchConfig)]
    words = (
        "",
        "0",
        "-1",
        "1",
        "1e999",
        "nan",
        "-inf",
        "0x10",
        "1_000",
        "٣",
        "1" * 400,
        "true",
        "k9",
        "\0",
        "a=b",
        " 5",
    )

    def target(rng, _root):
        chosen = [(rng.choice(names), rng.choice(words)) for _ in range(rng.randrange(1, 3))]
        line = [f"--{name}={value}" for name, value in chosen]

        def run():
            values.unparse_flags()
            for name in names:
                values[name].value = values[name].default
                values[name].present = 0
            try:
                values(["program", *line])
            except absl_flags.Error as error:
                raise UserError(str(error).replace("\n", " ")) from None
            flags.parse_config(micro_config.SearchConfig, values)

        return run

    return target


def _checkpoints():
    """Two checkpoints, of which one or both are damaged: what is restored is one of them, whole."""
    cli.load_tensorflow()
    import tensorflow.compat.v1 as tf

    from enas import session as sessions
    from enas.checkpoints import Checkpoints

    sessions.graph_mode()
    state = {}

    def prepare(root):
        with tf.Graph().as_default() as graph:
            variable = tf.get_variable("v", [50], tf.float32, tf.zeros_initializer(), use_resource=True)
            value = tf.placeholder(tf.float32, [])
            state.update(variable=variable, value=value, assign=variable.assign(tf.fill([50], value)))
            state["saver"] = tf.train.Saver(max_to_keep=None)
            state["session"] = tf.Session(graph=graph)
        run = run_directory.open_run(
            configs.from_values(micro_config.SearchConfig, {"output_dir": str(root)}), "search"
        )
        state["run"], state["checkpoints"] = run, Checkpoints(run, "last", state["saver"])
        run.log = lambda _: None
        for number in (1, 2):
            state["session"].run(state["assign"], {value: number})
            state["checkpoints"].save(state["session"], {"value": number, "sizes": {}})
        state["files"] = {path: path.read_bytes() for path in (root / "checkpoints").iterdir()}

    def target(rng, root):
        if not state:
            prepare(root)
        for path, data in state["files"].items():
            path.write_bytes(data)
        for path in rng.sample(sorted(state["files"]), rng.choice((1, 1, 2))):
            path.write_bytes(mutated(rng, state["files"][path], list(state["files"].values())))

        def run():
            restored = state["checkpoints"].restore(state["session"])
            assert set(state["session"].run(state["variable"])) == {restored[1]["value"]}

        return run

    return target


TARGETS = {
    "idx": Target(_idx, 12),
    "cifar": Target(_cifar, 14),
    "images": Target(_images, 31),
    "zips": Target(_zips, 10),
    "arcs": Target(_arcs, 30),
    "run_directories": Target(_run_directories, 3),
    "flags": Target(_flags, 9),
    "checkpoints": Target(_checkpoints, 1, limited=False),
}

"""Fuzz targets: arcs, run directories and command lines."""

import io
import json
import shutil
from collections.abc import Callable

import numpy as np
from absl import flags as absl_flags

from enas import spaces
from enas.errors import UserError
from enas.micro import config as micro_config
from enas.options import arc_input
from enas.options import config as configs
from enas.options import flags as config_flags
from enas.runs import metadata, run_directory
from scripts.fuzzing.fuzz_inputs import INTERESTING, mutated


def arcs() -> Callable:
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
    searched = [spaces.get(name) for name in spaces.names()]

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
            space = rng.choice(searched)
            child = space.train_config().child
            found = arc_input.from_file(str(root / "arc.txt"), space, child)
            assert space.arc.any_size(arc_input.integers(str(found)), child) == found

        return run

    return target


def _npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def run_directories() -> Callable:
    """A run directory whose config.json, or one of whose records, is damaged; it is checked, opened and read."""
    config = micro_config.SearchConfig()
    values = {"format": metadata.MARK, "kind": "search", "space": "micro", **configs.to_values(config)}
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
                stored = metadata.stored_values(path)
                configs.from_values(micro_config.SearchConfig, stored)
            except UserError:
                pass
            now = configs.from_values(micro_config.SearchConfig, {"output_dir": path})
            run_directory.check_output_dir(now, "search")
            with run_directory.open_run(now, "search") as opened:
                opened.read("arcs.jsonl")

        return run

    return target


def flags() -> Callable:
    """A command line with one or two flags of any option and any value."""
    values = absl_flags.FlagValues()
    config_flags.define(micro_config.SearchConfig, values)
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
            config_flags.parse_config(micro_config.SearchConfig, values)

        return run

    return target

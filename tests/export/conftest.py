"""A child that was trained by the main, once for all tests of its export."""

import contextlib
import io

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_digits

ARC = "0 0 1 1  0 2 1 3   0 1 1 4  2 0 1 0"


def train(folder, *flags):
    """Trains a small child on digits in this process; returns its run directory."""
    from enas import spaces
    from enas.options import config
    from enas.runs import train as trainings

    values = {"dataset": "digits", "child_num_layers": 2, "child_out_filters": 8, "child_num_cells": 2}
    values |= {"child_fixed_arc": ARC, "num_epochs": 3, "child_lr_T_0": 3, "eval_every_epochs": 3}
    values |= {"output_dir": str(folder), "child_drop_path_keep_prob": 1.0}
    space = spaces.get("micro")
    with contextlib.redirect_stdout(io.StringIO()):
        trainings.run_training(config.from_values(space.train_config, {**values, **dict(flags)}), space)
    return folder


@pytest.fixture(scope="session")
def run_directory(tmp_path_factory):
    """The run directory of a binary child."""
    return train(tmp_path_factory.mktemp("run") / "final", ("child_scheme", "binary"))


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder of 12 digits as PNG files, `<digit>_<number>.png`, one of them in a folder of its own, and others."""
    folder = tmp_path_factory.mktemp("pictures")
    digits = load_digits()
    (folder / "more").mkdir()
    for i in range(12):
        path = folder / ("more" if i == 11 else ".") / f"{digits.target[i]}_{i:02}.png"
        cv2.imwrite(str(path), np.uint8(digits.images[i] * 255 / 16))
    (folder / "notes.txt").write_text("no image")
    return folder

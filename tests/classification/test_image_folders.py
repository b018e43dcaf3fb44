"""A training on images in files, end to end: not square, one unreadable, then evaluated in detail."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from enas import data, spaces
from enas.errors import UserError
from enas.micro.config import ChildConfig, TrainConfig
from enas.options.config import DataConfig, RetrainConfig, RunConfig
from enas.runs import train

ROOT = Path(__file__).resolve().parents[2]
CELLS = "0 0 1 4 0 0 1 4"
CLASSES = ("dark", "light")


def write_image(path, value):
    os.makedirs(path.parent, exist_ok=True)
    noise = np.random.default_rng(value).integers(0, 40, (40, 70, 3), np.uint8)
    cv2.imwrite(str(path), noise + np.uint8(value))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(config of a finished run, folder of its images): dark images are below 100, light ones above."""
    root = tmp_path_factory.mktemp("large")
    for label, name in enumerate(CLASSES):
        for number in range(24):
            write_image(root / "set" / "train" / name / f"{number}.jpg", 100 * label + number)
            write_image(root / "set" / "test" / name / f"{number}.jpg", 100 * label + number + 30)
    (root / "set" / "train" / "dark" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    config = TrainConfig(
        data=DataConfig(
            dataset="folder",
            data_dir=str(root / "set"),
            img_size="8x14",
            resize="crop",
            skip_bad_images=True,
            channel=1,
        ),
        child=ChildConfig(num_layers=2, num_cells=1, out_filters=2, drop_path_keep_prob=1.0),
        arc=RetrainConfig(child_fixed_arc=CELLS),
        run=RunConfig(output_dir=str(root / "run"), batch_size=8, num_epochs=1),
    )
    train.run_training(config, spaces.get("micro"))
    return config, root


def read(root, name):
    return (root / "run" / name).read_text()


def test_the_script_makes_the_images_that_it_says(tmp_path):
    def make(name, *more):
        command = [
            sys.executable,
            str(ROOT / "scripts" / "experiments" / "make_image_folder.py"),
            f"--out={tmp_path / name}",
            *more,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    small = ["--images=60", "--classes=3", "--width=50", "--height=20"]
    assert make("a", *small)[0] == make("b", *small)[0] == 0
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.jpg"))
    assert len(files) == 60 and {len(file.parts) for file in files} == {3}
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)
    assert cv2.imread(str(tmp_path / "a" / files[0])).shape == (20, 50, 3)
    loaded = data.load(DataConfig(dataset="folder", data_dir=str(tmp_path / "a")), 0)
    assert loaded.class_names == ("stripes_00", "stripes_01", "stripes_02") and len(loaded.test.labels) == 6
    code, message = make("a", *small)
    assert code == 2 and message == f"error: --out={tmp_path / 'a'}: exists and is not an empty folder\n"


def test_the_run_keeps_what_it_found_out_about_its_images(trained):
    _, root = trained
    facts = json.loads(read(root, "data.json"))
    assert facts["class_names"] == list(CLASSES)
    [[name, reason]] = facts["bad_images"]["train"] + facts["bad_images"]["valid"]
    assert name == "train/dark/broken.jpg" and "truncated JPEG" in reason
    assert read(root, "bad_images.txt") == reason + "\n"
    log = read(root, "stdout")
    assert "train/valid/test images of 8x14x1, 2 classes; " in log and "\nclasses: dark, light\n" in log
    assert "1 unreadable images are left out" in log and reason in log


def test_an_evaluation_names_what_was_classified_worst(trained):
    config, root = trained
    train.run_evaluation(config, spaces.get("micro"))
    facts, results = json.loads(read(root, "confusion.json")), json.loads(read(root, "results.json"))
    counts = np.array(facts["counts"])
    assert counts.sum(1).tolist() == [24, 24]
    assert np.trace(counts) / 48 == pytest.approx(results["test_accuracy"])
    worst = read(root, "worst_images.txt").splitlines()[1:]
    assert len(worst) == 48 - np.trace(counts)
    for line in worst:
        _, true, predicted, _, name = line.split("\t")
        assert true != predicted and name.startswith(f"test/{true}/")
        assert os.path.exists(root / "set" / name)
    assert (root / "run" / "confusion.png").stat().st_size > 1000


def test_a_file_that_vanishes_during_the_training_is_named(trained, monkeypatch):
    config, root = trained
    gone = root / "set" / "train" / "light" / "5.jpg"
    monkeypatch.setattr(train, "log_header", lambda *_: os.rename(gone, gone.with_suffix(".gone")))
    other = TrainConfig(
        config.data, config.child, config.arc, RunConfig(str(root / "other"), batch_size=8, num_epochs=9)
    )
    try:
        with pytest.raises(UserError, match=f"^{gone}: No such file or directory; expected a readable image$"):
            train.run_training(other, spaces.get("micro"))
    finally:
        os.rename(gone.with_suffix(".gone"), gone)

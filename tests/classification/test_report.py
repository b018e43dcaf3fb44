"""What a child gets wrong."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from enas import files
from enas.classification import report

NAMES = ("cat", "a dog", "eel")


class Run:
    """Stands in for a run directory."""

    def __init__(self, path):
        self.path, self.lines = path, []

    def file(self, name):
        return str(self.path / name)

    def write(self, name, text):
        files.write_atomically(self.path / name, text)

    def log(self, line):
        self.lines.append(line)


def test_confusion_counts_pairs():
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 4, (2, 200))
    slow = np.zeros((4, 4), int)
    for true, taken_for in zip(labels, predicted, strict=True):
        slow[true, taken_for] += 1
    np.testing.assert_array_equal(report.confusion(labels, predicted, 4), slow)


def test_predictions_are_softmax_probabilities():
    logits = np.array([[1.0, 2.0, 0.5], [1000.0, 0.0, -1000.0]])
    found = report.predictions(["x", "y"], np.array([0, 1]), logits)
    whole = np.exp(1.0) + np.exp(2.0) + np.exp(0.5)
    np.testing.assert_allclose(found.own, [np.exp(1.0) / whole, 0.0])
    np.testing.assert_allclose(found.top, [np.exp(2.0) / whole, 1.0])
    assert found.predicted.tolist() == [1, 0]


@pytest.fixture
def written(tmp_path):
    """A report of six images; no eel is among them, and nothing was taken for a dog."""
    found = report.Predictions(
        [f"test/{n}.png" for n in range(6)],
        np.array([0, 0, 0, 1, 1, 0]),
        np.array([0, 2, 0, 0, 0, 2]),
        np.array([0.9, 0.2, 0.8, 0.1, 0.3, 0.15]),
        np.array([0.9, 0.7, 0.8, 0.6, 0.5, 0.8]),
    )
    run = Run(tmp_path)
    report.write(run, NAMES, "test", found)
    return run


def test_the_matrix_is_written_as_json_text_and_picture(written):
    facts = json.loads((written.path / "confusion.json").read_text())
    assert facts["class_names"] == list(NAMES) and facts["split"] == "test"
    assert facts["counts"] == [[2, 0, 2], [2, 0, 0], [0, 0, 0]]
    assert facts["recall"] == [0.5, 0.0, None] and facts["precision"] == [0.5, None, 0.0]
    text = (written.path / "confusion.txt").read_text()
    assert text.startswith("6 test images, 2 of them classified right\n")
    assert "cat         4  0.5000     0.5000\n" in text and "a dog       2  0.0000          -\n" in text
    assert "     2  cat taken for eel\n" in text and "cat    2 0 2\na dog  2 0 0\neel    0 0 0\n" in text
    assert (written.path / "confusion.png").read_bytes().startswith(b"\x89PNG")


def test_the_worst_images_are_those_whose_class_got_the_least(written):
    lines = (written.path / "worst_images.txt").read_text().splitlines()[1:]
    assert [line.split("\t")[-1] for line in lines] == [f"test/{n}.png" for n in (3, 5, 1, 4)]
    assert lines[0] == "0.100000\ta dog\tcat\t0.600000\ttest/3.png"


def test_the_log_names_the_worst_classes_and_the_files(written):
    log = "\n".join(written.lines)
    assert log.index("a dog ") < log.index("cat ")
    assert all(str(written.path / name) in log for name in ("confusion.txt", "worst_images.txt"))


def test_names_of_classes_and_images_may_be_anything(tmp_path):
    """A formula that is none, a tab, a line end, bytes that are no text."""
    labels, predicted = np.array([0, 1, 2]), np.array([2, 0, 1])
    images = ["a\tb\n.png", "\udcff.png", "c.png"]
    found = report.Predictions(images, labels, predicted, np.zeros(3), np.ones(3))
    names = ("a$^$b", "x\ty\n", "cl\udcff")
    report.write(Run(tmp_path), names, "test", found)
    assert (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "confusion.json").read_text())["class_names"] == list(names)
    assert (tmp_path / "worst_images.txt").read_text().splitlines()[1:] == [
        "0.000000\ta$^$b\tcl\\udcff\t1.000000\ta\\tb\\n.png",
        "0.000000\tx\\ty\\n\ta$^$b\t1.000000\t\\udcff.png",
        "0.000000\tcl\\udcff\tx\\ty\\n\t1.000000\tc.png",
    ]
    assert "x\\ty\\n" in (tmp_path / "confusion.txt").read_text()


def test_images_that_are_left_out_are_listed_one_a_line(tmp_path):
    from enas.classification import task

    reasons = [("train/a\n.png", "train/a\n.png: not a PNG"), ("train/\udcff.png", "train/\udcff.png: empty")]
    data_set = SimpleNamespace(class_names=("x", "y"), bad_images={"train": reasons}, notes=())
    task.log_header(Run(tmp_path), data_set)
    assert (tmp_path / "bad_images.txt").read_text() == "train/a\\n.png: not a PNG\ntrain/\\udcff.png: empty\n"


def test_many_classes_make_a_report_without_a_table(tmp_path):
    labels = np.arange(300)
    found = report.Predictions(list(map(str, labels)), labels, labels // 2 * 2, np.ones(300), np.ones(300))
    report.write(Run(tmp_path), tuple(f"class {n}" for n in range(300)), "test", found)
    lines = (tmp_path / "confusion.txt").read_text().splitlines()
    assert max(map(len, lines)) < 100
    assert "     1  class 1 taken for class 0" in lines

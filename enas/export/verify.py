"""The check of an exported file before it gets its name: a fresh process runs it, and its logits are TensorFlow's.

Floats are added up in another order there, which moves a value by its last bits. A quantizer may turn that into another
level, and such a flip may grow from layer to layer. How often is a property of the child, so it is measured: the graph runs
once more on the same images, each pixel moved by up to 1e-6. The file may differ from the graph

- in the class of one image in a thousand, and of twice as many images as the moved ones differ in,
- in accuracy by as many images,
- in the logits of one image in a hundred, and of four times as many as the moved ones differ in. Logits differ where one of
  them is apart by more than 1e-3 of the largest logit. One flip may take them far apart, so how far does not count.
"""

import dataclasses
import os
import subprocess
import sys
import tempfile

import numpy as np

from enas.errors import UserError
from enas.export import reference
from enas.export.trained import TrainedChild
from enas.interfaces import Task
from quantize.runtime.codes import Array

MOST_IMAGES = 10_000
LEAST_IMAGES = 1000
_FACTOR, _CLASSES_FACTOR = 4, 2
_NEAR = 1e-3  # of the largest logit


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How the logits of an exported file compare with those of the TensorFlow graph.

    Attributes:
      images: how many images.
      largest_difference: of a logit; infinite where one is not finite.
      different_logits: how many images get other logits.
      allowed_logits: how many may.
      different_classes: how many images get another class.
      allowed_classes: how many may.
      accuracies: of the graph and of the file.
    """

    images: int
    largest_difference: float
    different_logits: int
    allowed_logits: int
    different_classes: int
    allowed_classes: int
    accuracies: tuple[float, float]

    @property
    def passed(self) -> bool:
        """Whether the file computes what the graph computes."""
        apart = abs(self.accuracies[0] - self.accuracies[1]) * self.images
        return (
            np.isfinite(self.largest_difference)
            and self.different_logits <= self.allowed_logits
            and self.different_classes <= self.allowed_classes
            and apart <= self.allowed_classes + 1e-6
        )

    def lines(self) -> list[str]:
        """The figures, as lines for a user."""
        equal = 1 - self.different_classes / self.images
        return [
            f"images: {self.images}",
            f"largest logit difference: {self.largest_difference:.3g}",
            f"images of other logits: {self.different_logits} (allowed: {self.allowed_logits})",
            f"equal classes: {equal:.4%} (different: {self.different_classes}, allowed: {self.allowed_classes})",
            f"accuracy: TensorFlow {self.accuracies[0]:.4f}, file {self.accuracies[1]:.4f}",
        ]


def compare(labels: Array, expected: Array, moved: Array, found: Array) -> Comparison:
    """Compares logits.

    Args:
      labels: int32 `[N]`.
      expected, moved, found: float32 `[N, classes]`, of the graph, of the graph on moved images, and of the file.
    """
    classes = [logits.argmax(axis=1) for logits in (expected, moved, found)]
    far = _NEAR * float(np.abs(expected).max())
    by_move, by_file = (int((np.abs(logits - expected).max(axis=1) > far).sum()) for logits in (moved, found))
    difference = float(np.abs(found - expected).max()) if np.isfinite(found).all() else np.inf
    allowed_classes = -(-len(labels) // 1000) + _CLASSES_FACTOR * int((classes[0] != classes[1]).sum())
    return Comparison(
        len(labels),
        difference,
        by_file,
        -(-len(labels) // 100) + _FACTOR * by_move,
        int((classes[0] != classes[2]).sum()),
        allowed_classes,
        (float((classes[0] == labels).mean()), float((classes[2] == labels).mean())),
    )


def check(child: TrainedChild, path: str, most: int = MOST_IMAGES) -> Comparison:
    """Compares an exported file with the child's graph on its test images; images of the validation and the training set
    join them where they are fewer than `LEAST_IMAGES`.

    Args:
      most: test images that are used.

    Raises:
      UserError: the file can't be run, or computes something else.
    """
    images, labels = images_of(child, most)
    found = _run(path, images)
    comparison = compare(labels, *reference.logits(child, images), found)
    if not comparison.passed:
        raise UserError(f"{path}: computes something else than the TensorFlow graph: {'; '.join(comparison.lines())}")
    return comparison


def images_of(child: TrainedChild, most: int) -> tuple[Array, Array]:
    """Returns images uint8 `[N, H, W, C]` and labels int32 `[N]`; see `check`."""
    task: Task = child.space.task
    dataset = task.load(child.config)
    images, labels, count = [], [], 0
    for split in (dataset.test, dataset.valid, dataset.train):
        wanted = (most if split is dataset.test else LEAST_IMAGES) - count
        numbers = np.arange(max(0, min(wanted, len(split.labels))))
        stored = split.images
        images.append(stored[numbers] if isinstance(stored, np.ndarray) else stored.read(numbers))
        labels.append(split.labels[numbers])
        count += len(numbers)
    return np.concatenate(images), np.concatenate(labels)


def _run(path: str, images: Array) -> Array:
    """The logits that a fresh process computes from a file."""
    with tempfile.TemporaryDirectory() as folder:
        names = [os.path.join(folder, name) for name in ("images.npy", "logits.npy")]
        np.save(names[0], images)
        command = [sys.executable, "-m", "enas.export.run_file", path, *names]
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "PYTHONPATH": paths}
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment, check=False)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            raise UserError(f"{path}: can't be run: {lines[-1] if lines else f'exit code {done.returncode}'}")
        return np.load(names[1], allow_pickle=False)

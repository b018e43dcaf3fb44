"""What a trained child gets wrong: its confusion matrix and its worst images. Nothing here imports TensorFlow.

confusion.txt, .json, .png   how often images of each class were taken for each class
worst_images.txt             the images whose own class got the lowest probability
"""

import dataclasses
import io
import json
from collections.abc import Iterator, Sequence

import numpy as np

from enas.files import printable, write_bytes_atomically
from enas.runs.run_directory import RunDirectory

WORST = 100  # images at most in worst_images.txt
SHOWN = 10  # classes with the lowest recall in the log
MAX_TABLE_CLASSES = 50  # with more classes there is no table, and the picture names none
MAX_ANNOTATED_CLASSES = 30  # with more classes the picture shows no counts


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """How the images of a split were classified.

    Attributes:
      names: what each of the N images is called.
      labels: int `[N]`, their classes.
      predicted: int `[N]`, the classes they were taken for.
      own: float `[N]`, the probability that their own class got.
      top: float `[N]`, the probability that `predicted` got.
    """

    names: Sequence[str]
    labels: np.ndarray
    predicted: np.ndarray
    own: np.ndarray
    top: np.ndarray


def predictions(names: Sequence[str], labels: np.ndarray, logits: np.ndarray) -> Predictions:
    """Turns logits, float `[N, num_classes]`, into predictions; names and labels are those of the N images."""
    logits = np.asarray(logits, np.float64)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities, rows = odds / odds.sum(axis=1, keepdims=True), np.arange(len(labels))
    predicted = probabilities.argmax(axis=1)
    return Predictions(names, labels, predicted, probabilities[rows, labels], probabilities[rows, predicted])


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Returns how many images of the row's class were taken for the column's, int64 `[classes, classes]`."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def write(run: RunDirectory, class_names: Sequence[str], split: str, found: Predictions) -> None:
    """Writes the files of this module to a run directory, and logs the classes with the lowest recall.

    Args:
      split: the name of the split that `found` is of.
    """
    matrix = confusion(found.labels, found.predicted, len(class_names))
    recall, precision = (_shares(np.diag(matrix), matrix.sum(axis=axis)) for axis in (1, 0))
    figures = {
        "split": split,
        "class_names": list(class_names),
        "rows": "true class",
        "columns": "predicted class",
        "counts": matrix.tolist(),
        "recall": [None if np.isnan(share) else float(share) for share in recall],
        "precision": [None if np.isnan(share) else float(share) for share in precision],
    }
    run.write("confusion.json", json.dumps(figures) + "\n")
    names = [printable(name) for name in class_names]
    run.write("confusion.txt", "\n".join(_text(matrix, names, split, recall, precision)) + "\n")
    run.write("worst_images.txt", "\n".join(_worst(found, names)) + "\n")
    draw(run.file("confusion.png"), matrix, names, split)
    run.log("-" * 80)
    run.log(f"{split} classes with the lowest recall (all of them in {run.file('confusion.txt')}):")
    for line in _table(matrix, names, recall, precision, np.argsort(recall, kind="stable")[:SHOWN].tolist()):
        run.log(line)
    run.log(f"{split} images that were classified worst: {run.file('worst_images.txt')}")


def _shares(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Returns part / whole, and NaN where the whole is 0."""
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def _table(
    matrix: np.ndarray, names: Sequence[str], recall: np.ndarray, precision: np.ndarray, which: Sequence[int]
) -> Iterator[str]:
    """Yields the lines of a table of the classes `which`."""
    width = max(len(names[index]) for index in which)
    yield f"{'class':<{width}}  images  recall  precision"
    for index in which:
        shares = (f"{share:.4f}" if share == share else "-" for share in (recall[index], precision[index]))
        yield "{:<{}}  {:6d}  {:>6}  {:>9}".format(names[index], width, matrix[index].sum(), *shares)


def _text(
    matrix: np.ndarray, names: Sequence[str], split: str, recall: np.ndarray, precision: np.ndarray
) -> Iterator[str]:
    """Yields the lines of confusion.txt."""
    yield f"{matrix.sum()} {split} images, {np.trace(matrix)} of them classified right"
    yield ""
    yield from _table(matrix, names, recall, precision, range(len(names)))
    yield ""
    wrong = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[: 2 * SHOWN]
    yield "most frequent confusions:"
    for true, predicted in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if wrong[true, predicted]:
            yield f"{wrong[true, predicted]:6d}  {names[true]} taken for {names[predicted]}"
    if len(names) <= MAX_TABLE_CLASSES:
        yield ""
        yield "rows: true class; columns: predicted class, in the same order"
        left, cell = max(map(len, names)), len(str(matrix.max())) + 1
        for name, row in zip(names, matrix, strict=True):
            yield f"{name:<{left}} " + "".join(f"{count:{cell}d}" for count in row)


def _worst(found: Predictions, names: Sequence[str]) -> Iterator[str]:
    """Yields the lines of worst_images.txt."""
    yield "probability of its class, class, predicted class, probability of that one, image"
    for index in np.argsort(found.own, kind="stable")[:WORST]:
        if found.predicted[index] == found.labels[index]:
            break
        true, predicted = names[found.labels[index]], names[found.predicted[index]]
        yield f"{found.own[index]:.6f}\t{true}\t{predicted}\t{found.top[index]:.6f}\t{printable(found.names[index])}"


def draw(path: str, matrix: np.ndarray, names: Sequence[str], split: str) -> None:
    """Draws a confusion matrix as PNG: each row's shares as shades, with counts and names if they can be read.

    Args:
      matrix: int `[classes, classes]`.
      names: the classes' names, printable.
      split: the split's name.

    Raises:
      UserError: the file can't be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    classes = len(names)
    side = float(np.clip(2.5 + 0.4 * classes, 4, 16))
    figure = Figure((side + 1, side), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    share = np.nan_to_num(matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True)))
    picture = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(picture, ax=axes, label="share of the true class", shrink=0.8)
    axes.set(xlabel="predicted class", ylabel="true class")
    axes.set_title(f"{matrix.sum():,} {split} images, {np.trace(matrix) / max(1, matrix.sum()):.2%} right")
    if classes <= MAX_TABLE_CLASSES:
        labels = [name if len(name) <= 20 else name[:19] + "…" for name in names]
        # Without this, a dollar sign in a name would begin a formula.
        axes.set_xticks(range(classes), labels, rotation=90, parse_math=False)
        axes.set_yticks(range(classes), labels, parse_math=False)
    if classes <= MAX_ANNOTATED_CLASSES:
        for (row, column), count in np.ndenumerate(matrix):
            if count:
                colour = "white" if share[row, column] > 0.5 else "black"
                axes.text(column, row, str(count), ha="center", va="center", fontsize=8, color=colour)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    write_bytes_atomically(path, drawn.getvalue())

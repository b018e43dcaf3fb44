"""Data sets: read, split, limited, resized and measured. Nothing here imports TensorFlow."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from enas.data import augment, metadata, source, streaming
from enas.data.dataset import DataSet, Split
from enas.data.readers import cifar, folder, idx
from enas.data.readers.images import Form
from enas.data.source import ArrayPart, Part, Source
from enas.data.splits import splitting
from enas.data.splits.sampling import stratified
from enas.data.statistics import level_counts, mean_std
from enas.errors import UserError
from enas.options.data import DataConfig
from enas.randomness import generator

__all__ = ["DataSet", "Split", "load"]

UNEQUAL = 10
DIGITS_TEST_FRACTION = 0.2


def load(config: DataConfig, seed: int, known: Mapping[str, Any] | None = None) -> DataSet:
    """Opens a data set. Images that are files of their own stay there, unless `--cache` says otherwise.

    The order is: split off validation images, limit, check files, resize and convert, add copies, measure.

    Args:
      seed: the run's seed, at least 0. It decides the validation split, the --max_*_images and the augmented copies.
      known: the metadata of the run that goes on, see `enas.data.metadata`. Its mean and standard deviation are used, and
        files that it has checked are not checked again. None for a new run.

    Raises:
      UserError: files are missing, unreadable, malformed or not those of `known`, or flags do not fit them.
    """
    files = _read(config)
    _check(files)
    if known is not None:
        metadata.check(known, files.class_names, files.where)
    splits: dict[str, Split] = {}
    digests: dict[str, str] = {}
    bad_images: dict[str, list[list[str]]] = {}
    counts = None
    chosen, told = splitting.split(config, files, seed)
    for name, part, indices in _chosen(config, files, chosen, seed):
        copies = config.n_aug_img if name == "train" else 1
        if isinstance(part, ArrayPart):
            images = part.read(indices)
            digests[name] = hashlib.sha256(images.data).hexdigest()
            _check_same(name, digests[name], known, files.where)
            numbers = [f"image {index}" for index in indices] if name == "test" else None
            splits[name] = Split(*augment.with_copies(images, part.labels[indices], copies, seed), numbers)
            continue
        digests[name] = part.files.digest(indices)
        _check_same(name, digests[name], known, files.where)
        selection = streaming.Selection(part.files, indices, copies, seed, name)
        bad = None if known is None else known["bad_images"].get(name, [])
        opened = streaming.open_images(selection, config, bad)
        # The reasons name the files where they were first read. The files may have moved since.
        bad_images[name] = opened.bad if bad is None else bad
        counts = opened.counts if name == "train" else counts
        splits[name] = _file_split(part.labels, selection, opened)
        _check_left(splits[name].labels, opened.bad, name, files)
    pixels = splits["train"].images
    if known is not None:
        mean, std = _stored_mean_std(known, pixels.shape[-1], files.where)
    else:
        counts = level_counts(pixels) if isinstance(pixels, np.ndarray) else counts
        assert counts is not None  # a new run decodes all files, and counts as it does
        mean, std = mean_std(counts)
    notes = (
        *files.notes,
        *told,
        *_unequal(splits["train"].labels, files.class_names),
        *_missing_classes(splits, files.class_names),
    )
    train, valid, test = (splits[name] for name in ("train", "valid", "test"))
    return DataSet(train, valid, test, files.class_names, mean, std, digests, bad_images, notes)


def _unequal(labels: np.ndarray, class_names: tuple[str, ...]) -> Iterator[str]:
    """Yields a line where the largest class has over `UNEQUAL` times the smallest's training images."""
    counts = np.bincount(labels, minlength=len(class_names))
    most, least = int(counts.argmax()), int(counts.argmin())
    if counts[most] > UNEQUAL * counts[least]:
        yield (
            f"warning: class {class_names[most]!r} has {counts[most]:,} training images and {class_names[least]!r} "
            f"{counts[least]:,}; --class_weights=balanced lets them count alike, and a search may have "
            "--reward=balanced_accuracy"
        )


def _missing_classes(splits: dict[str, Split], class_names: tuple[str, ...]) -> Iterator[str]:
    """Yields a line for each split that has no image of some class."""
    for name, split in splits.items():
        missing = [class_names[label] for label in sorted(set(range(len(class_names))) - set(split.labels.tolist()))]
        if missing:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            names = ", ".join(map(repr, missing[:3]))
            yield f"warning: no {name} images of class {names}{more}, which per-class figures leave out"


def _chosen(
    config: DataConfig, files: Source, chosen: splitting.Chosen, seed: int
) -> Iterator[tuple[str, Part, np.ndarray]]:
    """Yields (name, Part, indices into it, limited and in order) for train, valid and test."""
    for name, part, indices in chosen:
        indices = _limited(part.labels, indices, name, config, files.class_names, seed)
        yield name, part, generator(seed, "order of valid").permutation(indices) if name == "valid" else indices


def _file_split(labels: np.ndarray, selection: streaming.Selection, opened: streaming.Opened) -> Split:
    names = [selection.files.names[index] for index in opened.indices]
    return Split(opened.images, np.tile(labels[opened.indices], selection.copies), names * selection.copies)


def _stored_mean_std(known: Mapping[str, Any], channels: int, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and standard deviation as the run that goes on has stored them."""
    if not len(known["mean"]) == len(known["std"]) == channels:
        raise UserError(f"{where}: images of {channels} channels; the run's data.json has {len(known['mean'])}")
    return np.array(known["mean"], np.float32), np.array(known["std"], np.float32)


def _read(config: DataConfig) -> Source:
    data_dir = config.data_dir or f"data/{config.dataset}"
    form = Form(*config.image_size, config.channel, config.resize)
    if config.dataset == "digits":
        return _read_digits(form)
    if config.dataset == "cifar10":
        return cifar.read(data_dir, form)
    if config.dataset == "folder":
        given = {split: path for split, flag in folder.FLAGS.items() if (path := getattr(config, flag))}
        return folder.read(config.data_dir if given else data_dir, form, given)
    return idx.read(data_dir, config.dataset, form)


def _check_same(name: str, digest: str, known: Mapping[str, Any] | None, where: str) -> None:
    """Raises UserError if a run goes on and this split's images are not those that it began with."""
    if known is not None and known["digests"].get(name) != digest:
        raise UserError(
            f"{where}: its {name} images are not those that the run began with; put the old ones back, or add "
            "--reset_output_dir to delete that run"
        )


def _check_left(labels: np.ndarray, bad: list[list[str]], name: str, files: Source) -> None:
    """Raises UserError if no image is left without the bad files, or none to train a class on."""
    classes = range(len(files.class_names)) if name == "train" else ()
    if not len(labels) or set(classes) - set(labels):
        raise UserError(
            f"{files.where}: --skip_bad_images left out {len(bad)} {name} images ({bad[0][1]}, ...); expected readable "
            f"ones{' of each class' if classes else ''}"
        )


def _read_digits(form: Form) -> Source:
    """Splits scikit-learn's digits (8x8, values 0 to 16) into training and test images, the same for every seed."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    names = tuple(map(str, digits.target_names))
    count = round(DIGITS_TEST_FRACTION * len(images))
    chosen = stratified(digits.target, count, names, generator(0, "digits test"), "digits")
    rest = np.setdiff1d(np.arange(len(images)), chosen)
    train, test = (source.in_memory(images[which], digits.target[which], form) for which in (rest, chosen))
    return Source(train, None, test, names, "digits")


def _check(files: Source) -> None:
    """Raises UserError for empty splits, labels out of range and classes without training images."""
    classes = len(files.class_names)
    for name, part in (("training", files.train), ("validation", files.valid), ("test", files.test)):
        if part is None:
            continue
        if not len(part.labels):
            raise UserError(f"{files.where}: no {name} images; expected at least one of each class")
        if part.labels.min() < 0 or part.labels.max() >= classes:
            worst = max(part.labels.max(), -part.labels.min())
            raise UserError(f"{files.where}: {name} label {worst}; expected 0 to {classes - 1}, as in training")
    if classes < 2:
        raise UserError(f"{files.where}: {classes} class; expected at least 2")
    for label in np.flatnonzero(np.bincount(files.train.labels, minlength=classes) == 0):
        raise UserError(
            f"{files.where}: empty class {files.class_names[label]!r}: no training image has label {label}; "
            f"expected some of each of the {classes} classes"
        )


def _limited(
    labels: np.ndarray, indices: np.ndarray, name: str, config: DataConfig, class_names: tuple[str, ...], seed: int
) -> np.ndarray:
    """Cuts a split's indices down to its --max_*_images."""
    flag = f"max_{name}_images"
    count = getattr(config, flag)
    if count == 0 or count >= len(indices):
        return indices
    return indices[stratified(labels[indices], count, class_names, generator(seed, flag), f"--{flag}={count}")]

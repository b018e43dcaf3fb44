"""Data sets: read, split, limited, resized and measured. Nothing here imports TensorFlow."""

import dataclasses
import hashlib

import numpy as np

from enas.data import augment, metadata, source, streaming
from enas.data.readers import cifar, folder, idx
from enas.data.readers.images import Form
from enas.data.sampling import stratified
from enas.data.statistics import level_counts, mean_std
from enas.errors import UserError
from enas.randomness import generator

# The ENAS authors' validation split of CIFAR-10; MNIST's usual one has the same size.
DEFAULT_NUM_VALIDS = {"mnist": 5000, "fashion_mnist": 5000, "cifar10": 5000}
DEFAULT_VALID_FRACTION = 0.1
DIGITS_TEST_FRACTION = 0.2


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Images with their labels.

    Attributes:
      images: uint8 [N, H, W, C], pixels 0 to 255; C is 1 (grey) or 3 (RGB). An array, or `streaming.Streamed`, whose
        `read` gives the images of an array of indices.
      labels: int32 [N], 0 to the number of classes - 1.
      names: list of str, what each image is called: its file, below the data folder, or its number in the test set's
        file; None where nothing asks for it.
    """

    images: object
    labels: np.ndarray
    names: list | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class DataSet:
    """A data set ready for use.

    Attributes:
      train, valid, test: Split. train includes the augmented copies; valid is in random order, so that its first
        images are a fair sample of it, whatever order the files are in.
      class_names: tuple of str.
      mean, std: float32 [C], of pixel/255 over the training split, augmented copies included. They normalise all
        three splits: (pixel/255 - mean) / std. std is at least 1/255.
      digests, bad_images: see `enas.data.metadata`.
    """

    train: Split
    valid: Split
    test: Split
    class_names: tuple
    mean: np.ndarray
    std: np.ndarray
    digests: dict = dataclasses.field(default_factory=dict)
    bad_images: dict = dataclasses.field(default_factory=dict)

    @property
    def num_classes(self):
        """int, the number of classes."""
        return len(self.class_names)

    @property
    def image_shape(self):
        """(H, W, C), ints."""
        return self.train.images.shape[1:]


def load(config, seed, known=None):
    """Opens a data set. Images in files stay there, unless `--cache` says otherwise.

    Args:
      config: DataConfig.
      seed: int >= 0, the run's seed. It decides the validation split, the --max_*_images and the augmented copies.
      known: the metadata of the run that goes on (`metadata.read`). Its mean and standard deviation are used, and files it
        has checked are not checked again. None: a new run.

    Returns:
      A DataSet. The order is: split off validation images, limit, check files, resize and convert, add copies, measure.

    Raises:
      UserError: files that are missing, unreadable, malformed or not those of `known`, or flags that do not fit them.
    """
    files = _read(config)
    _check(files)
    if known is not None:
        metadata.check(known, files.class_names, files.where)
    splits, digests, bad_images, counts = {}, {}, {}, None
    for name, part, indices in _chosen(config, files, seed):
        copies = config.n_aug_img if name == "train" else 1
        images = None if part.files else part.read(indices)
        digests[name] = part.files.digest(indices) if part.files else hashlib.sha256(images.data).hexdigest()
        same = _check_same(name, digests, known, files.where)
        if not part.files:
            numbers = [f"image {index}" for index in indices] if name == "test" else None
            splits[name] = Split(*augment.with_copies(images, part.labels[indices], copies, seed), numbers)
            continue
        selection = streaming.Selection(part.files, indices, copies, seed, name)
        bad = known["bad_images"].get(name, []) if same else None
        opened = streaming.open_images(selection, config, bad)
        # The reasons name the files where they were first read, which may have moved since.
        bad_images[name] = opened.bad if bad is None else bad
        counts = opened.counts if name == "train" else counts
        splits[name] = _file_split(part, selection, opened)
        _check_left(splits[name].labels, opened.bad, name, files)
    mean, std = _mean_std(splits["train"].images, counts, known, files.where)
    return DataSet(**splits, class_names=files.class_names, mean=mean, std=std, digests=digests, bad_images=bad_images)


def _chosen(config, files, seed):
    """Yields (name, Part, indices into it, limited and in order) for train, valid and test."""
    for name, part, indices in _split(config, files, seed):
        indices = _limited(part.labels, indices, name, config, files.class_names, seed)
        yield name, part, generator(seed, "order of valid").permutation(indices) if name == "valid" else indices


def _file_split(part, selection, opened):
    names = [part.files.names[index] for index in opened.indices]
    return Split(opened.images, np.tile(part.labels[opened.indices], selection.copies), names * selection.copies)


def _mean_std(images, counts, known, where):
    """Those of the run that goes on, else of the counts, else of the images."""
    if known is None:
        return mean_std(level_counts(images) if counts is None else counts)
    if not len(known["mean"]) == len(known["std"]) == images.shape[-1]:
        raise UserError(
            f"{where}: images of {images.shape[-1]} channels; the run's {metadata.NAME} has {len(known['mean'])}"
        )
    return np.array(known["mean"], np.float32), np.array(known["std"], np.float32)


def _read(config):
    data_dir = config.data_dir or f"data/{config.dataset}"
    form = Form(*config.image_size, config.channel, config.resize)
    if config.dataset == "digits":
        return _read_digits(form)
    if config.dataset == "cifar10":
        return cifar.read(data_dir, form)
    if config.dataset == "folder":
        return folder.read(data_dir, form)
    return idx.read(data_dir, config.dataset, form)


def _check_same(name, digests, known, where):
    """Tells whether a split's images are those of the run that goes on: False where none does.

    Raises:
      UserError: they are others.
    """
    if known is not None and known["digests"].get(name) != digests[name]:
        raise UserError(
            f"{where}: its {name} images are not those that the run began with; put the old ones back, or add "
            "--reset_output_dir to delete that run"
        )
    return known is not None


def _check_left(labels, bad, name, files):
    """Raises UserError if leaving bad files out left no image, or none to train a class on."""
    classes = range(len(files.class_names)) if name == "train" else ()
    if not len(labels) or set(classes) - set(labels):
        raise UserError(
            f"{files.where}: --skip_bad_images left out {len(bad)} {name} images ({bad[0][1]}, ...); expected readable "
            f"ones{' of each class' if classes else ''}"
        )


def _read_digits(form):
    """Splits scikit-learn's digits (8x8, values 0 to 16) into training and test images, the same for every seed."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    names = tuple(map(str, digits.target_names))
    count = round(DIGITS_TEST_FRACTION * len(images))
    test = stratified(digits.target, count, names, generator(0, "digits test"), "digits")
    train = np.setdiff1d(np.arange(len(images)), test)
    train, test = (source.in_memory(images[chosen], digits.target[chosen], form) for chosen in (train, test))
    return source.Source(train, None, test, names, "digits")


def _check(files):
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


def _split(config, files, seed):
    """Returns (name, Part, indices into it) for train, valid and test."""
    test = ("test", files.test, np.arange(len(files.test.labels)))
    everything = np.arange(len(files.train.labels))
    if config.num_valids == 0:
        raise UserError("--num_valids=0: arcs are rewarded on validation images; expected at least one of each class")
    if files.valid is not None:
        for flag, value, unset in (("num_valids", config.num_valids, -1), ("valid_fraction", config.valid_fraction, 0)):
            if value > 0:
                raise UserError(
                    f"--{flag}={value}: {files.where} has its own validation images; "
                    f"expected {unset} (--max_valid_images limits them)"
                )
        return ("train", files.train, everything), ("valid", files.valid, np.arange(len(files.valid.labels))), test
    count, flag = _num_valids(config, len(everything))
    if count >= len(everything):
        raise UserError(f"{flag}: {count} validation images; expected fewer than the {len(everything)} training images")
    rng = generator(seed, "split")
    chosen = stratified(files.train.labels, count, files.class_names, rng, flag, keep=1)
    rest = np.setdiff1d(everything, chosen, assume_unique=True)
    return ("train", files.train, rest), ("valid", files.train, chosen), test


def _num_valids(config, available):
    """Returns how many validation images to split off and the flag, with its value, that says so."""
    if config.num_valids > 0:
        return config.num_valids, f"--num_valids={config.num_valids}"
    if config.valid_fraction == 0 and config.dataset in DEFAULT_NUM_VALIDS:
        return DEFAULT_NUM_VALIDS[config.dataset], f"--num_valids=-1 ({DEFAULT_NUM_VALIDS[config.dataset]:,})"
    fraction = config.valid_fraction or DEFAULT_VALID_FRACTION
    return round(fraction * available), f"--valid_fraction={fraction}"


def _limited(labels, indices, name, config, class_names, seed):
    """Cuts a split's indices down to its --max_*_images."""
    flag = f"max_{name}_images"
    count = getattr(config, flag)
    if count == 0 or count >= len(indices):
        return indices
    return indices[stratified(labels[indices], count, class_names, generator(seed, flag), f"--{flag}={count}")]

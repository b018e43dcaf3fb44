"""Data sets as arrays: read, split, limited, resized and measured. Nothing here imports TensorFlow."""

import dataclasses

import numpy as np

from enas.data import augment, cifar, folder, idx, source
from enas.data.images import mean_std
from enas.data.sampling import stratified
from enas.errors import UserError
from enas.randomness import generator

# The ENAS authors' validation split of CIFAR-10; MNIST's usual one has the same size.
DEFAULT_NUM_VALIDS = {"mnist": 5000, "fashion_mnist": 5000, "cifar10": 5000}
DIGITS_TEST_FRACTION = 0.2


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Images with their labels.

    Attributes:
      images: uint8 [N, H, W, C], pixels 0 to 255; C is 1 (grey) or 3 (RGB).
      labels: int32 [N], 0 to the number of classes - 1.
    """

    images: np.ndarray
    labels: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class DataSet:
    """A data set ready for use.

    Attributes:
      train, valid, test: Split. train includes the augmented copies; valid is in random order, so that its first
        images are a fair sample of it, whatever order the files are in.
      class_names: tuple of str.
      mean, std: float32 [C], of pixel/255 over the training split, augmented copies included. They normalise all
        three splits: (pixel/255 - mean) / std. std is at least 1/255.
    """

    train: Split
    valid: Split
    test: Split
    class_names: tuple
    mean: np.ndarray
    std: np.ndarray

    @property
    def num_classes(self):
        """int, the number of classes."""
        return len(self.class_names)

    @property
    def image_shape(self):
        """(H, W, C), ints."""
        return self.train.images.shape[1:]


def load(config, seed):
    """Reads a data set.

    Args:
      config: DataConfig.
      seed: int >= 0, the run's seed. It decides the validation split, the --max_*_images and the augmented copies.

    Returns:
      A DataSet. The order is: split off validation images, limit, resize and convert, add copies, measure.

    Raises:
      UserError: files that are missing or malformed, or flags that do not fit them.
    """
    files = _read(config)
    _check(files)
    train, valid, test = (
        (part, _limited(part.labels, indices, name, config, files.class_names, seed))
        for name, part, indices in _split(config, files, seed)
    )
    valid = (valid[0], generator(seed, "order of valid").permutation(valid[1]))
    train, valid, test = (Split(part.read(indices), part.labels[indices]) for part, indices in (train, valid, test))
    train = Split(*augment.with_copies(train.images, train.labels, config.n_aug_img, seed))
    mean, std = mean_std(train.images)
    return DataSet(train, valid, test, files.class_names, mean, std)


def _read(config):
    data_dir = config.data_dir or f"data/{config.dataset}"
    size, channels = config.img_size, config.channel
    if config.dataset == "digits":
        return _read_digits(size, channels)
    if config.dataset == "cifar10":
        return cifar.read(data_dir, size, channels)
    if config.dataset == "folder":
        return folder.read(data_dir, size, channels)
    return idx.read(data_dir, config.dataset, size, channels)


def _read_digits(size, channels):
    """Splits scikit-learn's digits (8x8, values 0 to 16) into training and test images, the same for every seed."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    names = tuple(map(str, digits.target_names))
    count = round(DIGITS_TEST_FRACTION * len(images))
    test = stratified(digits.target, count, names, generator(0, "digits test"), "digits")
    train = np.setdiff1d(np.arange(len(images)), test)
    train, test = (source.in_memory(images[chosen], digits.target[chosen], size, channels) for chosen in (train, test))
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
        if config.num_valids > 0:
            raise UserError(
                f"--num_valids={config.num_valids}: {files.where} has its own validation images; "
                "expected -1 (--max_valid_images limits them)"
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
    default = {field.name: field.default for field in dataclasses.fields(config)}["valid_fraction"]
    if config.num_valids < 0 and config.dataset in DEFAULT_NUM_VALIDS and config.valid_fraction == default:
        return DEFAULT_NUM_VALIDS[config.dataset], f"--num_valids=-1 ({DEFAULT_NUM_VALIDS[config.dataset]:,})"
    if config.num_valids < 0:
        return round(config.valid_fraction * available), f"--valid_fraction={config.valid_fraction}"
    return config.num_valids, f"--num_valids={config.num_valids}"


def _limited(labels, indices, name, config, class_names, seed):
    """Cuts a split's indices down to its --max_*_images."""
    flag = f"max_{name}_images"
    count = getattr(config, flag)
    if count == 0 or count >= len(indices):
        return indices
    return indices[stratified(labels[indices], count, class_names, generator(seed, flag), f"--{flag}={count}")]

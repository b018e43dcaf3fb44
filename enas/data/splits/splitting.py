"""Which images are for training, validation and test, where the files do not say it."""

import hashlib
from collections.abc import Mapping

import numpy as np

from enas.data.source import FilePart, Part, Source
from enas.data.splits.sampling import stratified
from enas.errors import UserError
from enas.options.data import DataConfig
from enas.randomness import generator

# The ENAS authors' validation split of CIFAR-10; MNIST's usual one has the same size.
DEFAULT_NUM_VALIDS = {"mnist": 5000, "fashion_mnist": 5000, "cifar10": 5000}
DEFAULT_FRACTION = 0.1
LEAST_LEFT = 0.1  # of the images, for training

# (name, part, indices into it) of train, valid and test.
Chosen = tuple[tuple[str, Part, np.ndarray], ...]


def split(config: DataConfig, files: Source, seed: int) -> tuple[Chosen, list[str]]:
    """Splits a data set.

    Image files that lack a validation or a test split give a share of each class, see `by_name`; other data sets, and
    --num_valids, draw a number of images from all classes.

    Returns:
      For each of train, valid and test its name, its part and the indices into it; and lines for the log.

    Raises:
      UserError: flags do not fit the data, or leave no training images.
    """
    _check(config, files)
    train, everything = files.train, np.arange(len(files.train.labels))
    count, flag = _num_valids(config)
    drawn = files.valid is None and (config.num_valids > 0 or not isinstance(train, FilePart) or bool(count))
    fractions = {
        "valid": 0.0 if files.valid is not None or drawn else config.valid_fraction or DEFAULT_FRACTION,
        "test": 0.0 if files.test is not None else config.test_fraction or DEFAULT_FRACTION,
    }
    found = {"train": everything, "valid": everything[:0], "test": everything[:0]}
    notes = []
    if any(fractions.values()):
        assert isinstance(train, FilePart), "data sets in arrays have a test split"
        found = by_name(train.labels, train.files.names, fractions, seed)
        notes = [_told(found, fractions, files.where)]
    if drawn:
        count = count or round((config.valid_fraction or DEFAULT_FRACTION) * len(everything))
        found |= _drawn(files, found["train"], count, flag, seed)
    parts: list[tuple[str, Part, np.ndarray]] = [("train", train, found["train"])]
    for name, part in (("valid", files.valid), ("test", files.test)):
        if part is None and not len(found[name]):
            raise UserError(
                f"{files.where}: too few images to split {name} images off; expected three or more of a class"
            )
        parts.append((name, train, found[name]) if part is None else (name, part, np.arange(len(part.labels))))
    return tuple(parts), notes


def by_name(labels: np.ndarray, names: list[str], fractions: Mapping[str, float], seed: int) -> dict[str, np.ndarray]:
    """Splits images by what a hash of the seed and of their names says, so that images that are added move no other.

    Of the numbers in [0, 1) that the hash gives, the lowest are test images and the highest validation images. A class that
    a split would have none of gives the image that is nearest; of classes of fewer than three images, training comes first,
    then validation. Only such an image may move when others are added.

    Args:
      labels: int `[N]`.
      names: paths of the N images, which end in <class>/<file>.
      fractions: {"valid": share of each class, "test": share}; 0: no such split.
      seed: the run's seed.

    Returns:
      {"train": sorted indices, "valid": ..., "test": ...}.
    """
    places = np.array([_place(seed, name) for name in names])
    found: dict[str, list[int]] = {"train": [], "valid": [], "test": []}
    for label in np.unique(labels):
        order = np.flatnonzero(labels == label)
        order = order[np.argsort(places[order], kind="stable")]
        tests = int(np.count_nonzero(places[order] < fractions["test"]))
        valids = int(np.count_nonzero(places[order] >= 1.0 - fractions["valid"]))
        valids = min(max(valids, fractions["valid"] > 0), len(order) - 1)
        tests = min(max(tests, fractions["test"] > 0), len(order) - 1 - valids)
        found["test"] += order[:tests].tolist()
        found["train"] += order[tests : len(order) - valids].tolist()
        found["valid"] += order[len(order) - valids :].tolist()
    return {name: np.array(sorted(indices), np.int64) for name, indices in found.items()}


def _place(seed: int, name: str) -> float:
    """A number in [0, 1) of the seed, the class and the name of the file: the same in a folder and in a zip file of it."""
    image = "/".join(name.split("/")[-2:])
    digest = hashlib.sha256(f"{seed}/{image}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _drawn(files: Source, indices: np.ndarray, count: int, flag: str, seed: int) -> dict[str, np.ndarray]:
    """Draws `count` validation images from those in `indices`; returns both that are left and those that were drawn."""
    if count >= len(indices):
        raise UserError(f"{flag}: {count} validation images; expected fewer than the {len(indices)} training images")
    labels = files.train.labels[indices]
    chosen = stratified(labels, count, files.class_names, generator(seed, "split"), flag, keep=1)
    rest = np.setdiff1d(np.arange(len(indices)), chosen, assume_unique=True)
    return {"train": indices[rest], "valid": indices[chosen]}


def _told(found: Mapping[str, np.ndarray], fractions: Mapping[str, float], where: str) -> str:
    shares = " and ".join(f"--{name}_fraction={share:g}" for name, share in fractions.items() if share)
    sizes = ", ".join(
        f"{len(indices):,} {name}" for name, indices in found.items() if name == "train" or fractions[name]
    )
    return f"{where}: split by seed and file name ({shares}): {sizes} images"


def _check(config: DataConfig, files: Source) -> None:
    """Raises UserError for flags that split what the files have split already, and for shares that are too large."""
    if config.num_valids == 0:
        raise UserError("--num_valids=0: arcs are rewarded on validation images; expected at least one of each class")
    own = (
        ("num_valids", config.num_valids, -1, files.valid, "validation", "valid"),
        ("valid_fraction", config.valid_fraction, 0, files.valid, "validation", "valid"),
        ("test_fraction", config.test_fraction, 0, files.test, "test", "test"),
    )
    for flag, value, unset, part, what, name in own:
        if value > 0 and part is not None:
            raise UserError(
                f"--{flag}={value}: {files.where} has its own {what} images; expected {unset} "
                f"(--max_{name}_images limits them)"
            )
    if config.valid_fraction + config.test_fraction > 1 - LEAST_LEFT + 1e-9:
        raise UserError(
            f"--valid_fraction={config.valid_fraction} and --test_fraction={config.test_fraction}: expected shares that "
            f"leave {LEAST_LEFT:.0%} or more for training"
        )


def _num_valids(config: DataConfig) -> tuple[int, str]:
    """Returns how many validation images to draw, or 0 for a share of the images, and the flag that says so."""
    if config.num_valids > 0:
        return config.num_valids, f"--num_valids={config.num_valids}"
    if config.valid_fraction == 0 and config.dataset in DEFAULT_NUM_VALIDS:
        return DEFAULT_NUM_VALIDS[config.dataset], f"--num_valids=-1 ({DEFAULT_NUM_VALIDS[config.dataset]:,})"
    return 0, f"--valid_fraction={config.valid_fraction or DEFAULT_FRACTION}"

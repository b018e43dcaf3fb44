"""The metadata of a data set of images, which its run keeps in data.json so that it need not be found out again.

It is `{name: JSON value}`:

class_names    list of strings
image_shape    [height, width, channels]
mean, std      lists of floats, one for each channel
digests        {split: string that tells its images from others}, of the names and sizes of its files, or of its pixels
bad_images     {split: [name, reason] of each file that was left out because it is unreadable}
"""

import math
from collections.abc import Mapping
from typing import Any

from enas.data.dataset import DataSet
from enas.errors import UserError


def of(dataset: DataSet) -> dict[str, Any]:
    """Returns the metadata of a data set."""
    return {
        "class_names": list(dataset.class_names),
        "image_shape": list(dataset.image_shape),
        "mean": dataset.mean.tolist(),
        "std": dataset.std.tolist(),
        "digests": dataset.digests,
        "bad_images": dataset.bad_images,
    }


def checked(metadata: Any, path: str) -> dict[str, Any]:
    """Returns `metadata`, which was read from the file `path`.

    Raises:
      UserError: it is not what `of` returns.
    """
    if not _whole(metadata):
        raise UserError(f"{path}: not what a run of this program stores of its data")
    return metadata


def _whole(metadata: Any) -> bool:
    kinds = {"class_names": list, "mean": list, "std": list, "digests": dict, "bad_images": dict}
    return (
        isinstance(metadata, dict)
        and all(isinstance(metadata.get(name), kind) for name, kind in kinds.items())
        and all(isinstance(name, str) for name in metadata["class_names"])
        and all(type(value) is float and math.isfinite(value) for value in metadata["mean"] + metadata["std"])
        and all(value > 0 for value in metadata["std"])
        and all(is_bad_list(bad) for bad in metadata["bad_images"].values())
    )


def is_bad_list(bad: Any) -> bool:
    """Tells whether a JSON value is a list of [name, reason]."""
    return isinstance(bad, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(word, str) for word in pair) for pair in bad
    )


def check(metadata: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    """Checks that the classes of a run that goes on are those of the data set now.

    Args:
      metadata: the run's metadata.
      names: the names of the classes now.
      where: where the data set is, for messages.

    Raises:
      UserError: they are others.
    """
    if metadata["class_names"] != list(names):
        raise UserError(
            f"{where}: its {len(names)} classes ({', '.join(names)}) are not those of the run "
            f"({', '.join(metadata['class_names'])})"
        )

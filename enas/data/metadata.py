"""What a run keeps of a data set of images in data.json, so that it need not be found out again: `{name: JSON value}`.

class_names    list of str
image_shape    [height, width, channels]
mean, std      lists of float, one for each channel
digests        split -> str that tells its images from others: of the names and sizes of its files, or of its pixels
bad_images     split -> [name, reason] of each file that was left out as unreadable
"""

import math
from typing import Any

from enas.errors import UserError


def of(dataset):
    """Returns the metadata of an `enas.data.DataSet`."""
    return {
        "class_names": list(dataset.class_names),
        "image_shape": list(dataset.image_shape),
        "mean": dataset.mean.tolist(),
        "std": dataset.std.tolist(),
        "digests": dataset.digests,
        "bad_images": dataset.bad_images,
    }


def checked(metadata: Any, path: str) -> dict[str, Any]:
    """Returns `metadata`, the content of the file `path`.

    Raises:
      UserError: it is not what `of` returns.
    """
    if not _whole(metadata):
        raise UserError(f"{path}: not what a run of this program stores of its data")
    return metadata


def _whole(metadata):
    kinds = {"class_names": list, "mean": list, "std": list, "digests": dict, "bad_images": dict}
    return (
        isinstance(metadata, dict)
        and all(isinstance(metadata.get(name), kind) for name, kind in kinds.items())
        and all(isinstance(name, str) for name in metadata["class_names"])
        and all(type(value) is float and math.isfinite(value) for value in metadata["mean"] + metadata["std"])
        and all(value > 0 for value in metadata["std"])
        and all(is_bad_list(bad) for bad in metadata["bad_images"].values())
    )


def is_bad_list(bad):
    """Tells whether a JSON value is a list of [name, reason]."""
    return isinstance(bad, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(word, str) for word in pair) for pair in bad
    )


def check(metadata, names, where):
    """Raises UserError if `metadata` is of other classes than `names`, those of the data set in `where`."""
    if metadata["class_names"] != list(names):
        raise UserError(
            f"{where}: its {len(names)} classes ({', '.join(names)}) are not those of the run "
            f"({', '.join(metadata['class_names'])})"
        )

"""What a run keeps of its data set in data.json, so that it need not be found out again: `{name: JSON value}`.

class_names    list of str
image_shape    [height, width, channels]
mean, std      lists of float, one for each channel
digests        split -> str that tells its images from others: of the names and sizes of its files, or of its pixels
bad_images     split -> [name, reason] of each file that was left out as unreadable
"""

import json
import math
import os

from enas.errors import UserError

NAME = "data.json"


def of(dataset):
    """Returns the facts of an `enas.data.DataSet`."""
    return {
        "class_names": list(dataset.class_names),
        "image_shape": list(dataset.image_shape),
        "mean": dataset.mean.tolist(),
        "std": dataset.std.tolist(),
        "digests": dataset.digests,
        "bad_images": dataset.bad_images,
    }


def read(output_dir):
    """Returns the facts a run directory holds, or None if it holds none yet.

    Raises:
      UserError: data.json is there but is damaged.
    """
    path = os.path.join(output_dir, NAME)
    try:
        with open(path, encoding="utf-8") as file:
            facts = json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: can't be read as a run's data facts: {str(error)[:100]}") from None
    if not _whole(facts):
        raise UserError(f"{path}: not the data facts of a run of this program")
    return facts


def _whole(facts):
    kinds = {"class_names": list, "mean": list, "std": list, "digests": dict, "bad_images": dict}
    return (
        isinstance(facts, dict)
        and all(isinstance(facts.get(name), kind) for name, kind in kinds.items())
        and all(isinstance(name, str) for name in facts["class_names"])
        and all(type(value) is float and math.isfinite(value) for value in facts["mean"] + facts["std"])
        and all(value > 0 for value in facts["std"])
        and all(is_bad_list(bad) for bad in facts["bad_images"].values())
    )


def is_bad_list(bad):
    """Tells whether a JSON value is a list of [name, reason]."""
    return isinstance(bad, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(word, str) for word in pair) for pair in bad
    )


def check(facts, names, where):
    """Raises UserError if facts are of other classes than `names`, those of the data set in `where`."""
    if facts["class_names"] != list(names):
        raise UserError(
            f"{where}: its {len(names)} classes ({', '.join(names)}) are not those of the run "
            f"({', '.join(facts['class_names'])})"
        )

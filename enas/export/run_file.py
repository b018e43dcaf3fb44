"""Runs an exported file in this process: `python -m enas.export.run_file FILE IMAGES LOGITS`.

IMAGES is a .npy file, uint8 `[N, H, W, C]`; LOGITS becomes one, float32 `[N, classes]`.
"""

import sys

import numpy as np

from enas.errors import UserError
from enas.export import formats


def main(path: str, images: str, logits: str) -> None:
    """Opens the file and computes the logits."""
    np.save(logits, formats.open_model(path).logits(np.load(images, allow_pickle=False)))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except UserError as error:
        sys.exit(f"{error}")

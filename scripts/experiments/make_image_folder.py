"""Makes class folders of JPEG files as large as wanted, to try `--dataset=folder` on.

  python scripts/experiments/make_image_folder.py --out=/tmp/images --images=20000 --width=1000 --height=500

Each image is a cloudy background with stripes whose direction is its class, so that a network can learn them. A tenth of
the images goes to test/. The same arguments make the same files.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from scripts.arguments import MOST, Parser, number, run_script

TEST_SHARE = 10
PERIOD = 0.08  # of a stripe, in heights of the image


def image(seed: int, number: int, classes: int, height: int, width: int) -> np.ndarray:
    """Returns image `number` of the set, uint8 [height, width, 3], of class `number % classes`."""
    rng = np.random.default_rng([seed, number])
    clouds = rng.integers(0, 256, (max(2, height // 40), max(2, width // 40), 3), np.uint8)
    clouds = cv2.resize(clouds, (width, height), interpolation=cv2.INTER_CUBIC)
    angle = np.pi * (number % classes + rng.uniform(-0.2, 0.2)) / classes
    across = 2 * np.pi * (np.arange(width) / (height * PERIOD) * np.cos(angle) + rng.random())
    down = 2 * np.pi * np.arange(height) / (height * PERIOD) * np.sin(angle)
    # The sine of a sum, as outer products: a sine for each pixel would take most of the time.
    waves = np.array([np.sin(across), np.cos(across)], np.float32), np.array([np.cos(down), np.sin(down)], np.float32)
    light = 128 + 90 * (waves[1].T @ waves[0]) + rng.integers(-16, 17, (height, width), np.int8)
    light = light.astype(np.uint8)
    return cv2.addWeighted(clouds, 0.5, cv2.merge([light] * 3), 0.5, 0)


def write(arguments: Any, number: int) -> None:
    """Writes image `number`; returns its bytes."""
    split = "test" if number // arguments.classes % TEST_SHARE == 0 else "train"
    pixels = image(arguments.seed, number, arguments.classes, arguments.height, arguments.width)
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, arguments.quality])[1]
    with open(os.path.join(folder(arguments, split, number % arguments.classes), f"{number:07d}.jpg"), "wb") as file:
        file.write(data)
    return len(data)


def folder(arguments: Any, split: str, label: str) -> str:
    """Path of a class's folder."""
    return os.path.join(arguments.out, split, f"stripes_{label:02d}")


def main() -> None:
    """Parses the arguments and writes the files."""
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="folder to make; it must not exist, or be empty")
    for name, default, low, high, help in (
        (
            "images",
            20000,
            4 * TEST_SHARE,
            MOST,
            f"images in all, training and test, {2 * TEST_SHARE} of a class at least",
        ),
        ("classes", 10, 2, MOST, "classes"),
        ("width", 1000, 1, 2**15, "pixels"),
        ("height", 500, 1, 2**15, "pixels"),
        ("quality", 60, 1, 100, "of the JPEG files"),
        ("seed", 0, 0, MOST, "of the random draws"),
    ):
        parser.add_argument(f"--{name}", type=number(low, high), default=default, help=f"{help} (default: {default})")
    arguments = parser.parse_args()
    if os.path.exists(arguments.out) and (not os.path.isdir(arguments.out) or os.listdir(arguments.out)):
        parser.error(f"--out={arguments.out}: exists and is not an empty folder")
    if arguments.classes > arguments.images // (2 * TEST_SHARE):
        parser.error(f"--classes={arguments.classes}: expected at least {2 * TEST_SHARE} --images of each")
    for split in ("train", "test"):
        for label in range(arguments.classes):
            os.makedirs(folder(arguments, split, label))
    cv2.setNumThreads(1)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        sizes = pool.map(lambda number: write(arguments, number), range(arguments.images))
        total = sum(tqdm(sizes, "writing", arguments.images, unit=" images", disable=None))
    print(f"{arguments.images:,} images, {total / 1e9:.2f} GB, in {arguments.out}")


if __name__ == "__main__":
    run_script(main)

"""Makes class folders of JPEG files as large as wanted, to try `--dataset=folder` on.

  python scripts/make_image_folder.py --out=/tmp/images --images=20000 --width=1000 --height=500

Each image is a cloudy background with stripes whose direction is its class, so that a network can learn them. A tenth of
the images goes to test/. The same arguments make the same files.
"""

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from tqdm import tqdm

TEST_SHARE = 10
PERIOD = 0.08  # of a stripe, in heights of the image


def image(seed, number, classes, height, width):
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


def write(arguments, number):
    """Writes image `number`; returns its bytes."""
    split = "test" if number // arguments.classes % TEST_SHARE == 0 else "train"
    pixels = image(arguments.seed, number, arguments.classes, arguments.height, arguments.width)
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, arguments.quality])[1]
    with open(os.path.join(folder(arguments, split, number % arguments.classes), f"{number:07d}.jpg"), "wb") as file:
        file.write(data)
    return len(data)


def folder(arguments, split, label):
    """Path of a class's folder."""
    return os.path.join(arguments.out, split, f"stripes_{label:02d}")


def main():
    """Parses the arguments and writes the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--out", required=True, help="folder to make; it must not exist, or be empty")
    for name, default, help in (
        ("images", 20000, "images in all, training and test"),
        ("classes", 10, "classes"),
        ("width", 1000, "pixels"),
        ("height", 500, "pixels"),
        ("quality", 60, "of the JPEG files, 1 to 100"),
        ("seed", 0, "of the random draws"),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{help} (default: {default})")
    arguments = parser.parse_args()
    if os.path.exists(arguments.out) and (not os.path.isdir(arguments.out) or os.listdir(arguments.out)):
        sys.exit(f"error: --out={arguments.out}: exists and is not an empty folder")
    if not (2 <= arguments.classes <= arguments.images // (2 * TEST_SHARE) and 1 <= arguments.quality <= 100):
        sys.exit(f"error: expected --quality of 1 to 100 and at least 2 --classes of {2 * TEST_SHARE} --images each")
    if min(arguments.width, arguments.height) < 1 or arguments.seed < 0:
        sys.exit("error: expected --width and --height of at least 1 pixel, and --seed of at least 0")
    for split in ("train", "test"):
        for label in range(arguments.classes):
            os.makedirs(folder(arguments, split, label))
    cv2.setNumThreads(1)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        sizes = pool.map(lambda number: write(arguments, number), range(arguments.images))
        total = sum(tqdm(sizes, "writing", arguments.images, unit=" images", disable=None))
    print(f"{arguments.images:,} images, {total / 1e9:.2f} GB, in {arguments.out}")


if __name__ == "__main__":
    main()

"""Options of the images."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from enas.errors import UserError
from enas.options import option

DATASETS = ("digits", "mnist", "fashion_mnist", "cifar10", "folder")
MAX_SIDE = 4096
DIRECTORIES = ("train_data_dir", "val_data_dir", "test_data_dir")
COLOUR_PADDING = 4  # pixels, ENAS authors


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Where images come from and how they are cut, resized, kept and augmented.

    Attributes:
      presets: see `enas.options.config.Settings`.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
        flag: {"*": {"dataset": "folder"}} for flag in DIRECTORIES
    }

    dataset: str = option("digits", "Data set. digits: scikit-learn's 1,797 handwritten digits.", choices=DATASETS)
    data_dir: str = option(
        "",
        "Folder that holds the data set's files. Default: data/<dataset>; digits needs none. A resumed run may find the "
        "same files elsewhere.",
        flexible=True,
    )
    train_data_dir: str = option(
        "",
        "Folder, or zip file, of the class folders of the training images, where the splits lie apart from each other. "
        "With it, and the two below, --dataset is folder.",
        flexible=True,
    )
    val_data_dir: str = option("", "As --train_data_dir, of the validation images.", flexible=True)
    test_data_dir: str = option("", "As --train_data_dir, of the test images.", flexible=True)
    img_size: str = option(
        "0",
        "Size images are resized to, pixels: one number for both sides, or HEIGHTxWIDTH such as 96x192 (each side 1 "
        f"to {MAX_SIDE}). 0: the data set's own; 32 for folder.",
    )
    resize: str = option(
        "stretch",
        "How an image of another aspect ratio is brought to --img_size. stretch: sides are scaled on their own; "
        "crop: scaled until it covers the size, its middle is kept; pad: scaled until it fits in, black around it.",
        choices=("stretch", "crop", "pad"),
    )
    channel: int = option(
        0, "Image channels: 1 grey, 3 colour. 0: the data set's own (3 for folder).", choices=(0, 1, 3)
    )
    cache: str = option(
        "none",
        "What is kept of the decoded and resized images of class folders. none: nothing, they are decoded at every "
        "use; memory: all of them; disk: all of them, in --cache_dir. Results are the same. Other data sets are in "
        "memory anyway.",
        choices=("none", "memory", "disk"),
        flexible=True,
    )
    cache_dir: str = option(
        "data/cache",
        "Folder of --cache=disk. Runs on the same images share what is in it; it may be deleted between runs.",
        flexible=True,
    )
    skip_bad_images: bool = option(
        False,
        "Leave images of class folders that cannot be decoded out and list them, in the log and in bad_images.txt. "
        "Off: the first one ends the run before the training starts.",
        flexible=True,
    )
    num_valids: int = option(
        -1, "Validation images split off the training set. -1: as many as --valid_fraction says.", -1
    )
    valid_fraction: float = option(
        0.0,
        "Share of the training images split off for validation where neither --num_valids nor a valid/ folder says "
        "otherwise. 0: the data set's own number: 5,000 for mnist, fashion_mnist and cifar10 (as the ENAS authors), "
        "a tenth for the others. Of class folders, a file's name and the seed say whether it is split off.",
        low=0.0,
        high=0.9,
    )
    test_fraction: float = option(
        0.0,
        "Share of the training images split off for the test where class folders have no test/, as --valid_fraction. 0: a "
        "tenth.",
        low=0.0,
        high=0.9,
    )
    max_train_images: int = option(
        0, "Keep at most this many training images, stratified by class, by seed. 0: all.", 0
    )
    max_valid_images: int = option(0, "Keep at most this many validation images (see --max_train_images). 0: all.", 0)
    max_test_images: int = option(0, "Keep at most this many test images (see --max_train_images). 0: all.", 0)
    n_aug_img: int = option(
        1,
        "Copies of every training image: the original and n-1 augmented ones (zoom, rotation, "
        "brightness and contrast, noise, flip for colour). 1: no copies. OpenCV port: 3.",
        1,
        100,
    )
    augment: bool = option(
        True,
        "Change training images at random at every use: pad by --crop_padding and crop, and flip colour images left to "
        "right, as the ENAS authors do on CIFAR-10. Grey images are mostly characters, which a flip would change.",
    )
    crop_padding: int = option(
        -1,
        "Pixels by which --augment pads a training image on each side before it crops it to its size. -1: 4 for colour "
        "images (ENAS authors), 0 for grey ones, which may be as small as 8x8. 2 suits MNIST.",
        -1,
        256,
    )
    cutout_size: int = option(
        0,
        "Side of the square erased from every training image, pixels (Cutout, arXiv "
        "1708.04552). 0: none. ENAS authors' final CIFAR-10 training: 16.",
        0,
        1024,
    )

    def __post_init__(self):
        sides = re.fullmatch(r"([0-9]{1,4})(?:x([0-9]{1,4}))?", self.img_size, re.ASCII)
        if not sides or not (self.img_size == "0" or all(1 <= int(s) <= MAX_SIDE for s in sides.groups() if s)):
            raise UserError(
                f"--img_size={self.img_size}: expected one number or HEIGHTxWIDTH such as 96x192, sides of 1 to "
                f"{MAX_SIDE} pixels, or 0"
            )

        for flag in DIRECTORIES:
            path = getattr(self, flag)
            if path and self.dataset != "folder":
                raise UserError(f"--{flag}={path}: holds class folders, but --dataset is {self.dataset}; leave one out")

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of `img_size`, ints; (0, 0) where it is the data set's own."""
        height, _, width = self.img_size.partition("x")
        return int(height), int(width or height)

    def padding(self, channels: int) -> int:
        """Returns the pixels that images of so many channels are padded by before the random crop."""
        if not self.augment:
            return 0
        if self.crop_padding >= 0:
            return self.crop_padding
        return COLOUR_PADDING if channels == 3 else 0

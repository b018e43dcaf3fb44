"""Options of the images."""

import dataclasses

from enas.options import option

DATASETS = ("digits", "mnist", "fashion_mnist", "cifar10", "folder")


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Where images come from and how they are cut, resized and augmented."""

    dataset: str = option("digits", "Data set. digits: scikit-learn's 1,797 handwritten digits.", choices=DATASETS)
    data_dir: str = option(
        "", "Folder that holds the data set's files. Default: data/<dataset>; digits needs none.", flexible=True
    )
    img_size: int = option(
        0, "Height and width images are resized to, pixels. 0: the data set's own; 32 for folder.", 0, 1024
    )
    channel: int = option(
        0, "Image channels: 1 grey, 3 colour. 0: the data set's own (3 for folder).", choices=(0, 1, 3)
    )
    num_valids: int = option(
        -1,
        "Validation images split off the training set. -1: 5,000 for mnist, fashion_mnist and "
        "cifar10 (the ENAS authors' number), else by --valid_fraction.",
        -1,
    )
    valid_fraction: float = option(
        0.1,
        "Share of the training images split off for validation where neither "
        "--num_valids nor a valid/ folder says otherwise.",
        above=0.0,
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
        "Pad by 4, crop and flip colour training images at random at every use, as the ENAS "
        "authors do on CIFAR-10. Grey images are left alone.",
    )
    cutout_size: int = option(
        0,
        "Side of the square erased from every training image, pixels (Cutout, arXiv "
        "1708.04552). 0: none. ENAS authors' final CIFAR-10 training: 16.",
        0,
        1024,
    )

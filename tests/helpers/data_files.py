"""Makes small data sets on disk for the tests in this folder."""

import gzip
import pickle
import struct
import zipfile

import cv2
import numpy as np


def pixels(split):
    """Returns all images of an `enas.data.Split`, uint8 [N, H, W, C], streamed or not."""
    images = split.images
    return images if isinstance(images, np.ndarray) else images.read(np.arange(len(images)))


def images(count, side=8, channels=1, seed=0):
    """Returns uint8 [count, side, side, channels] noise."""
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, channels), np.uint8)


def labels(count, classes=3):
    """Returns uint8 [count]: 0, 1, 2, 0, 1, ..."""
    return (np.arange(count) % classes).astype(np.uint8)


def idx_bytes(array):
    """Returns an array of unsigned bytes as an IDX file."""
    return struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.tobytes()


def write_idx(folder, train=60, test=30, classes=3, side=8, zipped=True, dotted=False):
    """Writes the four files of an IDX set; returns {file stem: array}."""
    arrays = {
        "train-images": images(train, side)[..., 0],
        "train-labels": labels(train, classes),
        "t10k-images": images(test, side, seed=1)[..., 0],
        "t10k-labels": labels(test, classes),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for stem, array in arrays.items():
        name = f"{stem}{'.' if dotted else '-'}idx{array.ndim}-ubyte{'.gz' if zipped else ''}"
        data = idx_bytes(array)
        (folder / name).write_bytes(gzip.compress(data, 1) if zipped else data)
    return arrays


def write_cifar(folder, count=20):
    """Writes CIFAR-10's seven files with `count` images each, as Python 3 pickles them; returns {name: rows}."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = {}
    for seed, name in enumerate([f"data_batch_{n}" for n in range(1, 6)] + ["test_batch"]):
        rows[name] = np.random.default_rng(seed).integers(0, 256, (count, 3072), np.uint8)
        content = {b"data": rows[name], b"labels": [int(label) for label in labels(count, 10)]}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    names = [f"name {n}".encode() for n in range(10)]
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": names}, protocol=2))
    return rows


def python2_batch(rows, labels):
    """Returns a CIFAR batch byte for byte in the form in which Python 2's cPickle wrote the official ones."""
    count = len(rows)
    return (
        b"\x80\x02}(U\x04datacnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
        + b"(K\x01(K"
        + bytes([count])
        + b"M\x00\x0ctcnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + struct.pack("<I", rows.size)
        + rows.tobytes()
        + b"tbU\x06labels]("
        + b"".join(b"K" + bytes([label]) for label in labels)
        + b"eu."
    )


def encoded(image, extension=".png"):
    """Returns an RGB image, uint8 [H, W, 3], as a file's bytes."""
    return cv2.imencode(extension, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def write_folder(folder, splits=("train", "test"), classes=("cat", "dog"), count=6, side=10):
    """Writes class folders of PNGs, every image in one colour; returns {split: {class: uint8 [count, 3]}}."""
    colours = {}
    for number, split in enumerate(splits):
        colours[split] = {}
        for offset, name in enumerate(classes):
            (folder / split / name).mkdir(parents=True)
            values = np.random.default_rng([number, offset]).integers(0, 256, (count, 3), np.uint8)
            for index, colour in enumerate(values):
                image = np.broadcast_to(colour, (side, side, 3)).copy()
                (folder / split / name / f"{index}.png").write_bytes(encoded(image))
            colours[split][name] = values
    return colours


def zip_folder(folder, archive, prefix=""):
    """Packs a folder's files, sorted, into a zip file under `prefix`."""
    with zipfile.ZipFile(archive, "w") as target:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                target.write(path, prefix + str(path.relative_to(folder)))

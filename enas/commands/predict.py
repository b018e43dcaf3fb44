"""The program that classifies one's own images. TensorFlow is imported for run directories only."""

import json
import os
import sys
from collections.abc import Iterator, Sequence

import numpy as np
from absl import flags as absl_flags

from enas import spaces
from enas.commands import cli
from enas.data.readers import images as image_tools
from enas.data.readers.formats import EXTENSIONS
from enas.data.readers.images import Form
from enas.errors import UserError
from enas.export import formats, packed
from enas.files import printable
from enas.runs import metadata, stored_settings
from quantize.runtime.codes import Array
from quantize.runtime.model.executor import predictions
from quantize.runtime.model.network import Preprocessing

# Absl lists under --help the flags of the script that calls `run`, not this module's.
absl_flags.disclaim_key_flags()

FLAGS = absl_flags.FLAGS
_BATCH = 32  # images that are decoded before they are classified


def run() -> None:
    """Classifies images: prints for each its file, class and probability.

      {predict} --model=outputs/final cat.png photos/
      {predict} --model=child.packed --top=3 --json photos/

    --model is the run directory of a training, or a file of export_child.py. Of a folder all images
    are taken, those of its folders too: PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF, JPEG 2000, PNM and Sun raster. An image
    that can't be read is told in one line, and the exit code is 1.
    """
    absl_flags.DEFINE_string("model", "", "Run directory of a training, or exported file.")
    absl_flags.DEFINE_integer("top", 1, "Print so many classes of each image, the likeliest first.", lower_bound=1)
    absl_flags.DEFINE_bool("json", False, "Print one JSON object a line: file, and classes with their probabilities.")
    # Flags may follow the images.
    FLAGS.set_gnu_getopt(True)
    cli.run(_main, usage=run.__doc__)


def _main(arguments: list[str]) -> int:
    if not FLAGS.model:
        raise UserError("--model='': expected the run directory of a training, or a file of export_child.py")
    if not arguments:
        raise UserError("no images: expected images or folders as arguments (see --help)")
    model = _opened(FLAGS.model)
    bad = 0
    for files, images in _batches(arguments, model.preprocessing):
        for error in (image for image in images if isinstance(image, UserError)):
            print(f"error: {error}", file=sys.stderr, flush=True)
            bad += 1
        good = [(file, image) for file, image in zip(files, images, strict=True) if not isinstance(image, UserError)]
        if good:
            logits = model.logits(np.stack([image for _, image in good]))
            _print([file for file, _ in good], logits, model.class_names)
    if bad:
        print(f"{bad} could not be read", file=sys.stderr)
    return 1 if bad else 0


def _opened(path: str) -> formats.Model:
    """The model of a run directory or of an exported file."""
    if not os.path.exists(path):
        raise UserError(f"--model={path}: no such file or directory")
    try:
        if metadata.stored_values(path) is None:
            if os.path.isdir(path):
                cli.load_tensorflow()  # a SavedModel is a folder
            return formats.open_model(path)
        config = stored_settings.training_settings(path)
        cli.load_tensorflow(spaces.get(config.space))
        from enas.export import trained

        return packed.RuntimeModel(trained.load(path).network)
    except UserError as error:
        raise UserError(f"--model={str(error).removeprefix('--output_dir=')}") from None


def _print(files: Sequence[str], logits: Array, names: Sequence[str]) -> None:
    for file, found in zip(files, predictions(logits, FLAGS.top), strict=True):
        pairs = [(names[i], share) for i, share in zip(found.classes, found.probabilities, strict=True)]
        if FLAGS.json:
            classes = [{"class": name, "probability": share} for name, share in pairs]
            # Names of files may hold bytes that are no text.
            print(json.dumps({"file": file, "classes": classes}), flush=True)
        else:
            print(
                "\t".join([printable(file), *(f"{printable(name)}\t{share:.4f}" for name, share in pairs)]), flush=True
            )


def _batches(paths: Sequence[str], form: Preprocessing) -> Iterator[tuple[list[str], list[Array | UserError]]]:
    """Yields (files, images uint8 `[H, W, C]`, or the error of one that can't be read)."""
    files: list[str] = []
    images: list[Array | UserError] = []
    for file in (file for path in paths for file in _files(path)):
        files.append(file)
        images.append(_image(file, form))
        if len(files) == _BATCH:
            yield files, images
            files, images = [], []
    yield files, images


def _files(path: str) -> list[str]:
    """A file itself, or the images of a folder and its folders, in order."""
    if not os.path.isdir(path):
        return [path]
    found = sorted(os.path.join(at, name) for at, _, names in os.walk(path) for name in names)
    images = [file for file in found if file.lower().endswith(EXTENSIONS)]
    if len(images) < len(found):
        others = len(found) - len(images)
        print(f"{printable(path)}: left out {others} files that are not {', '.join(EXTENSIONS)}", file=sys.stderr)
    return images or [path]


def _image(file: str, wanted: Preprocessing) -> Array | UserError:
    """An image as the model takes it, or why it can't be read."""
    form = Form(wanted.height, wanted.width, wanted.channels, wanted.resize)
    if os.path.isdir(file):
        return UserError(f"{printable(file)}: holds no images, expected {', '.join(EXTENSIONS)}")
    try:
        with open(file, "rb") as opened:
            data = opened.read(image_tools.MAX_FILE_BYTES + 1)
        if len(data) > image_tools.MAX_FILE_BYTES:
            raise UserError(f"{printable(file)}: more than {image_tools.MAX_FILE_BYTES:,} bytes")
        return image_tools.convert(image_tools.decode(data, printable(file), form), form)
    except OSError as error:
        return UserError(f"{printable(file)}: can't be read: {error.strerror}")
    except UserError as error:
        return error

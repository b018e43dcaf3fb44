"""The program that exports a trained child. Nothing here imports TensorFlow before the flags are checked."""

import os
import shutil
import tempfile

from absl import flags as absl_flags

from enas import spaces
from enas.commands import cli
from enas.errors import UserError
from enas.export import formats
from enas.files import check_writable
from enas.runs import stored_settings

# Absl lists under --help the flags of the script that calls `run`, not this module's.
absl_flags.disclaim_key_flags()

FLAGS = absl_flags.FLAGS


def run() -> None:
    """Exports the trained child of a run as a file that runs without its run directory.

      {export_child} --output_dir=outputs/final --format=packed --output=child.packed

    The file is run in a fresh process on the run's test images before it gets its name: it has to compute what the
    TensorFlow graph computes. docs/deploy.md tours the formats.
    """
    absl_flags.DEFINE_string("output_dir", "", "Run directory of the training.")
    absl_flags.DEFINE_enum("format", "packed", list(formats.FORMATS), "Format of the file.")
    absl_flags.DEFINE_string("output", "", "File that is written; there must be none of that name.")
    cli.run(_main, usage=run.__doc__)


def _main(arguments: list[str]) -> None:
    cli.no_arguments(arguments)
    if not FLAGS.output:
        raise UserError("--output='': expected the name of a file")
    if os.path.lexists(FLAGS.output):
        raise UserError(f"--output={FLAGS.output}: is there already; expected the name of a new file")
    check_writable("output", FLAGS.output)
    config = stored_settings.training_settings(FLAGS.output_dir)
    cli.load_tensorflow(spaces.get(config.space))  # takes seconds: bad flags are told before that
    from enas.export import trained, verify

    child = trained.load(FLAGS.output_dir)
    folder = tempfile.mkdtemp(prefix=".export-", dir=os.path.dirname(os.path.abspath(FLAGS.output)))
    try:
        path = os.path.join(folder, os.path.basename(os.path.abspath(FLAGS.output)))
        chosen = formats.get(FLAGS.format)
        chosen.write(child.network, path)
        comparison = verify.check(child, path, verify.LEAST_IMAGES if chosen.SLOW else verify.MOST_IMAGES)
        _give_names(folder)
    finally:
        shutil.rmtree(folder)
    print(
        f"{FLAGS.output}: {_bytes(FLAGS.output):,} bytes, {child.network.parameters:,} numbers, of {child.checkpoint}"
    )
    print("\n".join(comparison.lines()))


def _give_names(folder: str) -> None:
    """Moves what is in a folder, a file and perhaps its header, to the folder above."""
    pairs = [(os.path.join(folder, name), os.path.join(os.path.dirname(folder), name)) for name in os.listdir(folder)]
    for _, target in pairs:
        if os.path.lexists(target):
            raise UserError(f"--output={FLAGS.output}: {target} is there already; choose another name")
    for made, target in pairs:
        os.replace(made, target)


def _bytes(path: str) -> int:
    """Bytes of a file, or of all files in a folder."""
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(path) for name in names)

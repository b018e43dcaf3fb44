"""The code that docs/adding_a_scheme.md shows is run: the quantizer against its levels, then a training under it."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = dict(
    re.findall(
        r"^`([\w/]+\.py)`\n\n```python\n(.*?)^```$",
        (ROOT / "docs" / "adding_a_scheme.md").read_text(),
        re.DOTALL | re.MULTILINE,
    )
)
ARC = "0 0 1 1  0 0 1 1"

ADDED = """
import sys
import numpy as np
from quantize import bits
exec(compile(BLOCKS["quantize/bits.py"], "bits", "exec"), vars(bits))
from enas.commands import cli, environment
environment.set_defaults()
from quantize import schemes
exec(compile(BLOCKS["quantize/schemes.py"], "schemes", "exec"), vars(schemes))
"""

CHECK = """
import tensorflow.compat.v1 as tf
exec(BLOCKS["tests/quantize/test_quinary.py"])
with tf.Graph().as_default():
    x = tf.placeholder(tf.float32, [None])
    y = schemes.get("quinary").weights(x)
    with tf.Session() as session:
        check_quinary(session, x, y, tf.gradients(y, x)[0])
print("checked")
"""

TRAIN = """
from enas.commands import train_fixed_arc
train_fixed_arc.run()
"""


def run(code, *flags):
    """Runs code after the walk-through's in a process of its own; returns what it printed."""
    text = f"BLOCKS = {BLOCKS!r}\n{ADDED}{code}"
    done = subprocess.run([sys.executable, "-c", text, *flags], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_quantizer_of_the_walk_through_has_its_levels_and_its_gradient():
    assert sorted(BLOCKS) == ["quantize/bits.py", "quantize/schemes.py", "tests/quantize/test_quinary.py"]
    assert run(CHECK) == "checked\n"


def test_a_network_trains_under_the_scheme_of_the_walk_through(tmp_path):
    small = ["--dataset=digits", "--max_train_images=64", "--child_num_layers=2", "--child_out_filters=2"]
    printed = run(
        TRAIN,
        *small,
        "--child_scheme=quinary",
        "--child_num_cells=1",
        "--num_epochs=1",
        f"--child_fixed_arc={ARC}",
        f"--output_dir={tmp_path / 'final'}",
    )
    assert "scheme quinary" in printed and (tmp_path / "final" / "results.json").exists()

"""What the tests of several workers share."""

import numpy as np
import pytest

from tests.distributed.processes import started, well_ended, workers

PROGRAM = "tests/distributed/stepping.py"
STEPS = 3


@pytest.fixture
def trained(tmp_path):
    """A function that trains as one process or several; returns for each {variable: values} after each step."""

    def run(flags, count, poisoned=-1, batch=8):
        files = [tmp_path / f"{number}.npz" for number in range(count)]
        given = [*flags, f"--steps={STEPS}", f"--poisoned={poisoned}", f"--batch_size={batch}"]
        if count == 1:
            well_ended([started(PROGRAM, [*given, f"--output={files[0]}"])])
        else:
            well_ended(workers(PROGRAM, given, count, lambda index: [f"--output={files[index]}"]))
        return [_steps(np.load(file)) for file in files]

    return run


def _steps(found):
    names = [name.partition(":")[2] for name in found.files if name.startswith("0:")]
    return [{name: found[f"{step}:{name}"] for name in names} for step in range(STEPS)]

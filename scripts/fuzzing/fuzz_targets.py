"""What `scripts/fuzzing/fuzz.py` runs: for each reader, how an input is made and how it is read.

A target is made once in a process; it is then a function of (rng, folder) that writes one input into `folder` and returns
the function that reads it.
"""

from scripts.fuzzing import fuzz_checkpoints, fuzz_data, fuzz_packed, fuzz_settings
from scripts.fuzzing.fuzz_inputs import Target

TARGETS = {
    "idx": Target(fuzz_data.idx, 12),
    "cifar": Target(fuzz_data.cifar, 14),
    "images": Target(fuzz_data.images, 31),
    "zips": Target(fuzz_data.zips, 10),
    "arcs": Target(fuzz_settings.arcs, 30),
    "run_directories": Target(fuzz_settings.run_directories, 3),
    "packed": Target(fuzz_packed.packed, 20),
    "flags": Target(fuzz_settings.flags, 9),
    "damaged_checkpoints": Target(fuzz_checkpoints.damaged, 1, limited=False),
    "other_checkpoints": Target(fuzz_checkpoints.other, 1, limited=False),
}

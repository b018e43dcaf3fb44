"""The micro search space: a normal cell and a reduction cell that the whole network repeats (ENAS, section 2.4)."""

import os

# What a cell's slots compute is small, and several slots are computed side by side. To spread each of their ops over all
# cores as well costs a fifth more time for waking threads and waiting for them than it saves, on the two cores measured.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(max(1, len(os.sched_getaffinity(0)) // 2)))

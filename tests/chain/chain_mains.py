"""Runs the shared mains' code on the chain space.

python tests/chain/chain_mains.py search --dataset=digits --output_dir=outputs/chain
"""

import sys

from enas import spaces
from enas.commands import search, train_fixed_arc, visualize

if __name__ == "__main__":
    spaces.register("chain", "chain_space.space")
    main = sys.argv.pop(1)
    if main == "train":
        train_fixed_arc.run()
    {"search": search, "visualize": visualize}[main].run("chain")

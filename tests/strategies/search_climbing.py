"""Searches the micro space by hill climbing.

python tests/strategies/search_climbing.py --strategy=climbing --dataset=digits --output_dir=outputs/climbing
"""

from enas import strategies
from enas.commands import search

if __name__ == "__main__":
    strategies.register("climbing", "climbing")
    search.micro()

"""Searches the micro space for a pair of cells: a controller and a weight-shared child are trained in turn.

  python search_micro.py --dataset=digits --child_scheme=k4 --output_dir=outputs/search

Run it again with the same --output_dir to resume. `--helpfull` explains every flag.
"""

from enas.commands import search

if __name__ == "__main__":
    search.run("micro")

"""Searches the macro space for a network: a controller and a weight-shared child are trained in turn.

  python search_macro.py --dataset=digits --child_num_layers=6 --output_dir=outputs/search_macro

Run it again with the same --output_dir to resume. `--helpfull` explains every flag.
"""

from enas.commands import search

if __name__ == "__main__":
    search.run("macro")

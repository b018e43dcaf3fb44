"""Searches the macro space for a network. `python search_macro.py --help` says how."""

from enas.commands import search

if __name__ == "__main__":
    search.macro()

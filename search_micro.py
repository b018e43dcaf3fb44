"""Searches the micro space for a pair of cells. `python search_micro.py --help` says how."""

from enas.commands import search

if __name__ == "__main__":
    search.micro()

"""Searches the recurrent space for a cell of a language model. `python search_rnn.py --help` says how."""

from enas.commands import search

if __name__ == "__main__":
    search.rnn()

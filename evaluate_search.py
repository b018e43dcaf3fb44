"""Evaluates a finished search: are its arcs better than random ones? `python evaluate_search.py --help` says how."""

from enas.commands import evaluate_search

if __name__ == "__main__":
    evaluate_search.run()

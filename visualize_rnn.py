"""Draws a recurrent cell. `python visualize_rnn.py --help` says how."""

from enas.commands import visualize

if __name__ == "__main__":
    visualize.rnn()

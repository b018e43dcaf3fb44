"""Draws the cells of a micro architecture. `python visualize_micro.py --help` says how."""

from enas.commands import visualize

if __name__ == "__main__":
    visualize.micro()

"""Draws a macro architecture. `python visualize_macro.py --help` says how."""

from enas.commands import visualize

if __name__ == "__main__":
    visualize.macro()

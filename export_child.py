"""Exports a trained child as a file of its own. `python export_child.py --help` says how."""

from enas.commands import export_child

if __name__ == "__main__":
    export_child.run()

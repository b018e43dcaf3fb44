"""Writes a page that shows a run, or several side by side. `python report.py --help` says how."""

from enas.commands import report

if __name__ == "__main__":
    report.run()

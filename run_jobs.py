"""Runs a list of jobs, several at a time. `python run_jobs.py --help` says how."""

from enas.commands import run_jobs

if __name__ == "__main__":
    run_jobs.run()

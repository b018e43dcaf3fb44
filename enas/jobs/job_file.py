"""Lists of jobs as users write them."""

import os
import re
import shlex

from enas.errors import UserError
from enas.jobs.job import Job

_HEAD = re.compile(r"\s*([\w.-]+)((?:\s+after\s+[\w.-]+(?:\s*,\s*[\w.-]+)*)?)\s*:\s(.*)")


def read(path: str) -> list[Job]:
    """Reads a list of jobs, one a line: `NAME: PROGRAM FLAGS`, or `NAME after OTHER, OTHER: PROGRAM FLAGS`.

    Words are quoted as in a shell; `#` starts a comment, and a backslash at a line's end goes on in the next.

    Raises:
      UserError: the file can't be read, or a line is no such job; names the line.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--jobs={path}: can't be read: {getattr(error, 'strerror', None) or error}") from None
    jobs: list[Job] = []
    for number, line in _lines(text):
        jobs.append(_job(f"{path}, line {number}", line, {job.name for job in jobs}, path))
        _check_directory(f"{path}, line {number}", jobs)
    if not jobs:
        raise UserError(f"--jobs={path}: holds no job; expected lines NAME: PROGRAM FLAGS")
    return jobs


def _lines(text):
    """(number, line) of all lines that say something, those that are continued joined."""
    joined, start = "", 0
    # The empty line at the end closes a last line that is continued.
    for number, line in enumerate([*text.split("\n"), ""], 1):
        start = start if joined else number
        if not joined and line.lstrip().startswith("#"):
            continue
        joined += line.removesuffix("\\") + (" " if line.endswith("\\") else "")
        if line.endswith("\\"):
            continue
        if joined.strip():
            yield start, joined
        joined = ""


def _job(place, line, known, path):
    found = _HEAD.fullmatch(line)
    if not found:
        raise UserError(f"{place}: expected NAME: PROGRAM FLAGS, or NAME after OTHER: PROGRAM FLAGS")
    name, after = found[1], tuple(re.findall(r"[\w.-]+", found[2])[1:])
    if name in known:
        raise UserError(f"{place}: {name} comes twice; expected a name for each job")
    for other in after:
        if other not in known:
            raise UserError(f"{place}: {name} comes after {other}; expected the name of a job in a line before")
    try:
        words = shlex.split(found[3], comments=True)
    except ValueError as error:
        raise UserError(f"{place}: {str(error).lower()}; expected words quoted as in a shell") from None
    if not words or not words[0].endswith(".py") or not os.path.isfile(words[0]):
        raise UserError(
            f"{place}: {words[0] if words else 'nothing'} is no Python program; expected e.g. search_micro.py"
        )
    log = os.path.join(os.path.dirname(path) or ".", f"{name}.log")
    return Job(name, tuple(words), log, tuple(filter(None, [output_dir(words)])), after)


def _check_directory(place, jobs):
    """Checks the run directory of the last of some jobs: it lasts, and of two jobs in one the order is said."""
    last = jobs[-1]
    if any(re.fullmatch(r"--?reset_output_dir(=(true|t|yes|y|1))?", word, re.IGNORECASE) for word in last.command):
        raise UserError(
            f"{place}: --reset_output_dir would delete the run each time the job is started again; leave it out"
        )
    before = _all_before(last, {job.name: job for job in jobs})
    for other in jobs[:-1]:
        same = {os.path.realpath(found) for found in last.run_directories + other.run_directories}
        if last.run_directories and other.run_directories and len(same) == 1 and other.name not in before:
            raise UserError(
                f"{place}: --output_dir={last.run_directories[0]} is that of {other.name} too; expected another, or "
                f"`{last.name} after {other.name}:`"
            )


def _all_before(job, jobs):
    """Names of the jobs that have to be done before one, directly or not."""
    return set(job.after).union(*(_all_before(jobs[name], jobs) for name in job.after))


def output_dir(words: list[str] | tuple[str, ...]) -> str:
    """The value of --output_dir in a command; "" where there is none."""
    for place, word in enumerate(words):
        if match := re.fullmatch(r"--?output_dir(?:=(.*))?", word):
            return match[1] if match[1] is not None else words[place + 1] if place + 1 < len(words) else ""
    return ""

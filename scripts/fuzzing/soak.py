"""Wears a run out: kills it at random moments and compares its end with that of a run left alone, or watches its memory.

  python scripts/fuzzing/soak.py kills --kills=50 --output_dir=/tmp/soak
  python scripts/fuzzing/soak.py kills --kind=training --kills=20 --signals=KILL,TERM --output_dir=/tmp/soak_training
  python scripts/fuzzing/soak.py steps --steps=10000 --output_dir=/tmp/soak_steps

`kills` prints how often the run was killed, and exits with code 1 where weights, metrics.jsonl, arcs.jsonl, best_arc.txt
or results.json differ in a byte. Run again with the same directory it goes on, and adds to the number. `steps` needs
Linux's /proc.
"""

import argparse
import os
import random
import shutil
import signal
import time
import traceback
from pathlib import Path
from typing import Any

from enas import signals, spaces
from enas.commands import cli
from enas.micro import config as micro_config
from enas.options import config as configs
from enas.runs import run_directory
from scripts.arguments import Parser, number, run_script, some_of

TINY = {
    "child_num_layers": 2,
    "child_num_cells": 1,
    "child_out_filters": 4,
    "max_train_images": 512,
    "max_valid_images": 64,
    "max_test_images": 64,
    "log_every": 1,
    "controller_train_steps": 10,
    "controller_num_aggregate": 2,
    "child_fixed_arc": "0 0 1 1 1 2 0 0",
}
SIGNALS = ("KILL", "TERM", "INT")
COMPARED = ("metrics.jsonl", "arcs.jsonl", "best_arc.txt", "results.json")


def main() -> int:
    """Runs what the command line asks for; returns the exit code."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("kills", "steps"))
    parser.add_argument("--kind", choices=("search", "training"), default="search")
    parser.add_argument("--kills", type=number(1), default=50, help="kills to reach in all")
    parser.add_argument(
        "--signals", type=some_of(SIGNALS), default=["KILL"], help="KILL,TERM,INT or some: sent in turn"
    )
    parser.add_argument("--epochs", type=number(1), default=4, help="epochs of the run that is killed")
    parser.add_argument("--steps", type=number(20), default=10000, help="child steps of the run that is watched")
    parser.add_argument(
        "--minutes", type=number(0.0, 1e6, float), default=60.0, help="stop after this time, to be continued"
    )
    parser.add_argument("--scheme", choices=configs.SCHEMES, default="fp32")
    parser.add_argument("--seed", type=number(0), default=0, help="of the moments of the kills")
    parser.add_argument("--output_dir", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.output_dir.mkdir(parents=True, exist_ok=True)
    _prepare()

    return kills(arguments) if arguments.what == "kills" else steps(arguments)


def _prepare():
    """Imports what takes long, once, for all processes that are forked. A graph can not be built here: TensorFlow starts
    threads while it builds one, and a forked process has none of them."""
    cli.load_tensorflow(spaces.get("micro"))
    import sklearn.datasets  # noqa: F401

    from enas.runs import search, train  # noqa: F401

    spaces.get("micro").load()


def kills(arguments: Any) -> int:
    """Kills a run until it has been killed often enough, lets it end and compares."""
    folder, deadline = arguments.output_dir, time.monotonic() + 60 * arguments.minutes
    figures, tally = folder / "figures", folder / "kills"
    if not figures.exists():
        alone = _left_alone(_config(arguments, folder / "whole"))
        if alone is None:
            print(f"the run left alone failed, see {folder}/whole.log")
            return 1
        figures.write_text(f"{alone.lines} {alone.opened}")
    lines, opened = map(float, figures.read_text().split())
    done = len(tally.read_text()) if tally.exists() else 0
    moments = random.Random(f"{arguments.seed} {done}")
    while done < arguments.kills:
        if time.monotonic() > deadline:
            print(f"killed {done} times so far; run it again to go on")
            return 3
        # Both a checkpoint after each unit and one now and then, so that units have to be done again.
        config = _config(arguments, folder / "killed", checkpoint_every_minutes=moments.choice((0.0, 0.005)))
        sent = signal.Signals[f"SIG{arguments.signals[done % len(arguments.signals)]}"]
        code = _killed_at_random(config, moments, lines / (arguments.kills + 1), opened, sent)
        if code not in (-sent, 128 + sent):
            print(f"after {done} kills the run ended by itself with {code}, see {folder}/killed.log")
            return 1
        done += 1
        tally.write_text("x" * done)
    if _waited(_started(_config(arguments, folder / "killed"))) != 0:
        print(f"after {done} kills the run failed, see {folder}/killed.log")
        return 1
    wrong = differences(folder / "whole", folder / "killed")
    print(f"killed {done} times: {', '.join(wrong) + ' differ' if wrong else 'nothing differs'}")
    return 1 if wrong else 0


def steps(arguments: Any) -> int:
    """Runs a search for many steps and prints its memory and open files as it goes."""
    config = _config(arguments, arguments.output_dir / "long", **_long(arguments))
    process, seen, step = _started(config), [], 0
    while (ended := os.waitpid(process, os.WNOHANG)) == (0, 0):
        time.sleep(0.2)
        reached = _steps_done(config)
        if reached >= step + arguments.steps // 20:
            step, memory, files = reached, _resident_mib(process), len(os.listdir(f"/proc/{process}/fd"))
            seen.append((step, memory, files))
            print(f"step {step}: {memory:.0f} MiB resident, {files} open files", flush=True)
    if ended[1]:
        print(f"the run failed, see {arguments.output_dir}/long.log")
        return 1
    # The first quarter fills TensorFlow's and the C library's pools.
    first, last = seen[len(seen) // 4], seen[-1]
    change = f"{last[1] - first[1]:+.0f} MiB resident, {last[2] - first[2]:+d} open files"
    print(f"{_steps_done(config)} steps; from step {first[0]} to {last[0]}: {change}")
    return 0


def _long(arguments):
    """The options in which the run that is watched differs."""
    batch_size = 8
    epochs = -(-arguments.steps * batch_size // TINY["max_train_images"])
    return {
        "batch_size": batch_size,
        "num_epochs": epochs,
        "log_every": 20,
        "eval_arc_batches": 1,
        "eval_every_epochs": 10,
        "checkpoint_every_minutes": 0.1,
    }


def _left_alone(config):
    """Runs from the beginning to the end; returns the `_Watched`, or None where that failed."""
    shutil.rmtree(config.run.output_dir, ignore_errors=True)
    run = _Watched(config)
    while (code := run.look()) is None:
        time.sleep(0.01)
    return None if code else run


def _config(arguments, path, **values):
    kind = micro_config.SearchConfig if arguments.kind == "search" else micro_config.TrainConfig
    values = {"num_epochs": arguments.epochs, "child_scheme": arguments.scheme, "output_dir": str(path), **values}
    values = {**TINY, **values}
    return configs.from_values(kind, values)


def _started(config):
    """Forks a process that runs to the end; returns its id. Its output goes to a file next to the run directory."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        signal.signal(signal.SIGINT, signals.stop_at_once)
        log = os.open(f"{config.run.output_dir}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        from enas.runs import search, train

        run = search.run_search if isinstance(config, micro_config.SearchConfig) else train.run_training
        run(config, spaces.get("micro"))
        code = 0
    except signals.Stopped as stopped:
        code = 128 + stopped.signal
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _waited(process):
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _killed_at_random(config, moments, lines, opened, sent):
    """Starts a process and kills it: one in five before the run is open, the others while it works. Returns the exit code.

    Args:
      config: of the run.
      moments: `random.Random`.
      lines: log lines after which it is killed at the latest.
      opened: seconds that opening takes.
      sent: the signal.
    """
    early, share, delay = moments.random() < 0.2, moments.random(), moments.random()
    lines = 1 + int(share * lines)
    run = _Watched(config)
    while True:
        code = run.look()
        if code is not None:
            return code
        if (early and time.monotonic() - run.start > delay * opened) or run.lines >= lines:
            time.sleep(0.05 * delay)
            os.kill(run.process, sent)
            return _waited(run.process)
        time.sleep(0.005)


class _Watched:
    """A process and what its run has logged.

    Attributes:
      start: when it was started.
      opened: seconds until it began to work; None before.
      lines: lines that it has logged since.
    """

    def __init__(self, config):
        self.stdout = Path(config.run.output_dir) / "stdout"
        self.before = self.stdout.stat().st_size if self.stdout.exists() else 0
        self.start, self.opened, self.lines, self.size = time.monotonic(), None, 0, self.before
        self.process = _started(config)

    def look(self):
        """Updates the attributes; returns the exit code if the process has ended, else None."""
        ended, status = os.waitpid(self.process, os.WNOHANG)
        if self.stdout.exists() and self.stdout.stat().st_size != self.size:
            self.size = self.stdout.stat().st_size
            # What is announced stands between two lines of dashes.
            work = self.stdout.read_text()[self.before :].split("-" * 80 + "\n", 2)[2:]
            if work and self.opened is None:
                self.opened = time.monotonic() - self.start
            self.lines = work[0].count("\n") if work else 0
        return os.waitstatus_to_exitcode(status) if ended else None


def differences(one: Path, other: Path) -> list[str]:
    """Names what is not the same, byte for byte, in two run directories."""
    wrong = [name for name in COMPARED if _content(one / name) != _content(other / name)]
    for name in ("last", "best"):
        if [_content(path) for path in _newest(one, name)] != [_content(path) for path in _newest(other, name)]:
            wrong.append(f"the weights called {name}")
    return wrong


def _content(path):
    return path.read_bytes() if path.exists() else None


def _newest(folder, name):
    """The tensor files of the newest checkpoint of a name."""
    commits = sorted((folder / "checkpoints").glob(f"{name}-*.json"), key=lambda path: int(path.stem.split("-")[1]))
    return sorted(commits[-1].parent.glob(f"{commits[-1].stem}.data*")) if commits else []


def _steps_done(config):
    path = Path(config.run.output_dir) / run_directory.RECORDS[0]
    if not path.exists():
        return 0
    lines = [line for line in path.read_text().splitlines()[-50:] if '"kind": "child"' in line]
    return int(lines[-1].split('"step": ')[1].split(",")[0]) if lines else 0


def _resident_mib(process):
    with open(f"/proc/{process}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024


if __name__ == "__main__":
    run_script(main)

"""A copy of the repository's scripts, whose .venv holds a stand-in for Python."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from absl import flags as absl_flags

from enas import spaces
from enas.options import config, flags

ROOT = Path(__file__).resolve().parents[3]

# Stands in for .venv/bin/python: hands what is not one of the mains to the real one; of a main it records the command
# line, and leaves the files that the scripts read next. FAIL names a main that fails.
STAND_IN = """#!{real}
import json, os, sys
arguments = sys.argv[1:]
main = os.path.basename(arguments[0]) if arguments else ""
if not main.startswith(("search_", "train_fixed_arc", "visualize_")):
    os.execv({real!r}, [{real!r}, *arguments])
with open({record!r}, "a") as file:
    file.write(json.dumps(arguments) + "\\n")
if main == os.environ.get("FAIL"):
    sys.exit(3)
folder = next(a.split("=", 1)[1] for a in reversed(arguments) if a.startswith("--output_dir="))
os.makedirs(folder, exist_ok=True)
if main == "train_fixed_arc.py":
    with open(folder + "/results.json", "w") as file:
        json.dump({{"test_accuracy": 0.98765}}, file)
"""


class Copy:
    """A copy of the scripts whose environment counts as installed, so that nothing is installed or trained."""

    def __init__(self, folder):
        self.root, self.record = folder / "repository, copied", folder / "commands.jsonl"
        shutil.copytree(ROOT / "scripts", self.root / "scripts", symlinks=True)
        shutil.copy(ROOT / "requirements.txt", self.root)
        python = self.root / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(STAND_IN.format(real=sys.executable, record=str(self.record)))
        python.chmod(0o755)
        self.stamp()

    def stamp(self):
        """Marks the environment as installed."""
        digest = hashlib.sha256((self.root / "requirements.txt").read_bytes()).hexdigest()
        version = sys.version_info[:2]
        (self.root / ".venv" / ".requirements").write_text(f"{version} {digest}\n")

    def run(self, script, *arguments, cwd="/", **environment):
        """Runs a script; returns the finished process."""
        command = ["bash", self.root / "scripts" / script, *arguments]
        return subprocess.run(command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True)

    def commands(self):
        """The mains that were run: [name, arguments] pairs."""
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        return [(Path(main).name, rest) for main, *rest in map(json.loads, lines)]


def parsed(main, arguments):
    """The flags a command line gives, all of them checked: {name: value}; and the whole config's values."""
    values = absl_flags.FlagValues()
    if main == "train_fixed_arc.py":
        spaces.define_flag(values)
        config_class = spaces.get(spaces.chosen([main, *arguments])).train_config
    else:
        config_class = spaces.get(re.fullmatch(r"search_(\w+)\.py", main)[1]).search_config
    flags.define(config_class, values)
    assert values([main, *arguments]) == [main]
    everything = config.to_values(flags.parse_config(config_class, values))
    return {name: value for name, value in everything.items() if values[name].present}, everything

"""A disk that is full: a small one of its own, where this process may mount one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.fuzzing import soak

ROOT = Path(__file__).resolve().parents[2]
TINY = [f"--{name}={value}" for name, value in soak.TINY.items() if name != "child_fixed_arc"]
SEARCH = ["search_micro.py", *TINY, "--num_epochs=2"]
TRAINING = ["train_fixed_arc.py", *(flag for flag in TINY if not flag.startswith("--controller_")), "--num_epochs=2"]
TRAINING += [f"--child_fixed_arc={soak.TINY['child_fixed_arc']}"]


@pytest.fixture
def disk(tmp_path):
    """(folder, function that makes the disk behind it so many kB large)."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode

    if sys.platform != "linux" or mount("size=64k"):
        pytest.skip("no disk may be mounted here")
    try:
        yield folder, lambda size: mount(f"remount,size={size}k")
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def run(command, path):
    command = [sys.executable, *command, f"--output_dir={path}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("command", [SEARCH, TRAINING], ids=["search", "training"])
def test_a_full_disk_stops_a_run_in_one_line_and_with_room_it_ends_as_if_nothing_had_been(command, disk, tmp_path):
    """The disk is full at a tenth, a half and nine tenths of what the run needs."""
    folder, resize = disk
    assert run(command, tmp_path / "alone").returncode == 0
    need = sum(path.stat().st_size for path in (tmp_path / "alone").rglob("*")) // 1024
    for share in (0.1, 0.5, 0.9):
        assert resize(int(share * need)) == 0
        full = run(command, folder / "run")
        assert full.returncode == 2, full.stdout + full.stderr
        message = rf"error: {folder}/run\S*: can't be written: No space left on device(; make room and run .*)?\n"
        assert re.fullmatch(message, full.stderr)
        if os.path.exists(folder / "run" / "checkpoints"):
            assert not [name for name in os.listdir(folder / "run" / "checkpoints") if "tempstate" in name]
    assert resize(3 * need) == 0
    done = run(command, folder / "run")
    assert done.returncode == 0, done.stderr
    assert soak.differences(tmp_path / "alone", folder / "run") == []

"""The benchmark of the runtime's kernels: what it writes and how it answers bad flags, on shapes that take no time."""

import json
import sys

import pytest

from scripts import arguments
from scripts.benchmarks import bench_kernels


def run(monkeypatch, *flags):
    monkeypatch.setattr(bench_kernels, "_FAMILIES", {"separable 3x3": (3, [(4, 5)]), "1x1": (1, [(3, 2)])})
    monkeypatch.setattr(sys, "argv", ["bench_kernels.py", *flags])
    with pytest.raises(SystemExit) as ended:
        arguments.run_script(bench_kernels.main)
    return ended.value.code


def test_every_shape_has_a_median_for_every_scheme_and_a_ratio_is_printed(monkeypatch, tmp_path, capsys):
    path = tmp_path / "figures.json"
    assert not run(monkeypatch, "--schemes=binary,k4", "--seconds=0", "--level=plain", "--batch=2", f"--json={path}")
    figures = json.loads(path.read_text())
    assert figures["level"] == "plain" and figures["batch"] == 2
    assert [(op["op"], op["channels"], op["side"]) for op in figures["ops"]] == [("separable 3x3", 4, 5), ("1x1", 3, 2)]
    printed = capsys.readouterr().out
    for op in figures["ops"]:
        assert set(op["us"]) == {"tensorflow", "binary", "k4"}
        assert f"({op['us']['tensorflow'] / op['us']['k4']:.1f}x)" in printed


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--level=sse", "--level=sse: QUANTIZE_RUNTIME_LEVEL or level is 'sse'"),
        ("--schemes=k9", "'k9': expected some of"),
        ("--json=/nowhere/figures.json", "/nowhere"),
    ],
)
def test_a_bad_flag_is_told_in_one_line(flag, message, monkeypatch, capsys):
    assert run(monkeypatch, flag) == 2
    errors = capsys.readouterr().err
    assert message in errors and errors.count("\n") == 1

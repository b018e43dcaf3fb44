"""The benchmark of trained children outside TensorFlow, on a tiny one."""

import json

import pytest

from enas.errors import UserError
from scripts.benchmarks import deploy_report
from tests.helpers import mains

ARC = "0 2 0 0 0 1 1 1 0 1 1 3 1 4 0 2 0 0 0 1 0 2 0 0 0 1 1 1 0 1 1 3 1 4 0 2 0 0 0 1"


@pytest.mark.slow
def test_all_runtimes_that_are_here_classify_alike_and_have_every_figure(tmp_path):
    child = ("--child_scheme=binary", "--child_num_layers=2", "--child_out_filters=4", f"--child_fixed_arc={ARC}")
    mains.done("train_fixed_arc.py", "--dataset=digits", "--num_epochs=1", *child, f"--output_dir={tmp_path}/run")
    figures = tmp_path / "deploy.json"
    flags = ("--rounds=1", "--images=100", f"--json={figures}")
    mains.done("scripts/benchmarks/deploy.py", *flags, f"{tmp_path}/run")
    rows = {row["runtime"]: row for row in json.loads(figures.read_text())}
    here = {"packed", "TensorFlow", "onnxruntime float", "onnxruntime int8", "LiteRT float", "LiteRT int8"}
    assert here <= set(rows)
    for row in rows.values():
        assert row["scheme"] == "binary" and row["latency_ms"] > 0 and row["images_per_second"] > 0
        assert row["peak_mb"] > 1 and row["load_ms"] > 0 and row["bytes"] > 1000
        # A sum that lies on a threshold may round either way.
        assert abs(row["accuracy"] - rows["TensorFlow"]["accuracy"]) <= 0.02
    assert rows["packed"]["bytes"] < rows["onnxruntime float"]["bytes"] / 2


def measured(runtime, milliseconds, per_second):
    of_network = {"run": "there", "scheme": "binary", "glue": "k8", "numbers": 250_000, "runtime": runtime}
    times = {"latency_ms": milliseconds, "images_per_second": per_second, "load_ms": 5.0}
    return {**of_network, **times, "bytes": 2e5, "peak_mb": 60.0, "accuracy": 0.97}


def test_the_report_compares_with_the_fastest_of_a_kind(tmp_path):
    rows = [
        measured("packed", 0.5, 3000),
        measured("onnxruntime float", 1.5, 900),
        measured("OpenVINO float", 1.0, 600),
        measured("LiteRT int8", 0.75, 2000),
    ]
    (tmp_path / "deploy.json").write_text(json.dumps(rows))
    mains.done("scripts/benchmarks/deploy_report.py", f"{tmp_path}/deploy.json", f"--plot={tmp_path}/deploy.png")
    assert (tmp_path / "deploy.png").read_bytes()[:4] == b"\x89PNG"
    first, second = deploy_report.summary(rows)
    assert "batch 1 2.00 times as fast as OpenVINO float, batch 32 3.33 times as fast as onnxruntime float" in first
    assert "batch 1 1.50 times as fast as LiteRT int8, batch 32 1.50 times" in second
    assert "| LiteRT int8 | 200 kB | 5 ms | 0.750 ms | 1.50 times | 2,000 |" in "".join(deploy_report._lines(rows))


def test_a_file_of_another_program_is_refused(tmp_path):
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(UserError, match="expected the figures that scripts/benchmarks/deploy.py --json wrote"):
        deploy_report.read(tmp_path / "other.json")

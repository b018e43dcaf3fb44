"""The benchmark of trained children outside TensorFlow, on a tiny one."""

import json

import pytest

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

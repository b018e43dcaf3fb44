"""The benchmark's own arithmetic and its answers to bad flags; what it measures is measured by running it."""

import pathlib
import subprocess
import sys
import types

import numpy as np
import pytest

from enas.micro import arc as arcs
from enas.micro import cost
from enas.micro.config import ChildConfig
from enas.micro.op_table import OPS, op_table
from scripts.benchmarks import bench_arcs, bench_machine, bench_micro, bench_plot, bench_table, bench_tensorflow

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("precision", ["", "binary,k4,fp16"])
@pytest.mark.parametrize("num_layers, filters, cells, side", [(6, 20, 5, 32), (2, 5, 1, 15), (4, 8, 3, 28)])
def test_multiply_accumulates_are_those_of_the_cost_model(num_layers, filters, cells, side, precision):
    """All but the classifier's, which the bound leaves out."""
    child = ChildConfig(num_layers=num_layers, out_filters=filters, num_cells=cells, search_precision=precision)
    for step in range(3):
        arc = bench_arcs.random_arc(7, step, child)
        macs, _ = bench_machine.forward_work(child, side, arc)
        assert macs == cost.cost(arc, child, (side, side, 3), 10).macs - 4 * filters * 10


def test_values_moved_are_counted_once_for_each_reader_and_writer():
    """Identity ops on a network small enough to count by hand: 8x8 images, 2 filters, one node, layers R R N N."""
    arc = arcs.parse("0 4 1 4   0 4 1 4")
    _, values = bench_machine.forward_work(ChildConfig(num_layers=2, out_filters=2, num_cells=1), 8, arc)

    def adapter(channels, side, outputs, new_side):
        # ReLU; convolution; batch norm.
        return 2 * channels * side**2 + (channels + outputs) * new_side**2 + 2 * outputs * new_side**2

    def cell(channels, side):
        # The node's sum of two; then, of the one loose end, ReLU, convolution and batch norm.
        return (3 + 2 + 2 + 2) * channels * side**2

    stem = (3 + 6) * 64 + 2 * 6 * 64
    reductions = 2 * adapter(6, 8, 4, 4) + cell(4, 4)
    second = adapter(6, 8, 8, 4) + adapter(8, 4, 8, 2) + adapter(4, 4, 8, 2) + cell(8, 2)
    assert bench_machine.reduction_layers(2) == (0, 1)
    third = adapter(4, 4, 8, 2) + cell(8, 2)
    assert values == stem + reductions + second + third + cell(8, 2)


# Five ops, two of them convolutions.
@pytest.mark.parametrize(
    "precision, kinds, num_ops", [("", OPS, 5), ("binary,k4,fp16", OPS, 3 + 2 * 3), ("", ("conv_3x3", "identity"), 2)]
)
def test_arcs_are_drawn_from_the_whole_op_table_and_keyed_by_seed_and_step(precision, kinds, num_ops):
    child = ChildConfig(search_precision=precision, op_table=",".join(kinds))
    drawn = [bench_arcs.random_arc(0, step, child) for step in range(200)]
    assert drawn[3] == bench_arcs.random_arc(0, 3, child) != bench_arcs.random_arc(1, 3, child)
    values = np.array([bench_arcs.array(arc) for arc in drawn])
    assert values.shape == (200, 2, 5, 4)
    for node in range(5):
        for column, bound in ((0, node + 2), (1, num_ops), (2, node + 2), (3, num_ops)):
            assert set(values[:, :, node, column].flat) == set(range(bound))


def test_a_summary_is_the_median_of_the_wall_times_and_of_the_cpu_times():
    figures = bench_table.summary("step", [(1.0, 5.0), (9.0, 2.0), (2.0, 3.0)])
    assert figures == {"step_s": 2.0, "step_min_s": 1.0, "step_cpu_s": 3.0}


class Idle:
    """Stands in for a worker: each step takes as long as its schemes' names, as published ten seconds more."""

    def __init__(self, side, _settings, child_scheme="", search_precision="", **published):
        assert side == "search" and bool(child_scheme) != bool(search_precision)
        assert published in ({}, {"child_recipe": "published", "child_latent_optimizer": "sgd"})
        self.seconds = float(len(child_scheme or search_precision)) + 10 * bool(published)
        self.started = {"start_s": 5.0}

    def run(self, _kind, steps):
        return [(self.seconds, self.seconds)] * steps

    def peak_rss_mb(self):
        return 100 * self.seconds

    def stop(self):
        pass


def test_every_scheme_is_compared_with_the_fp32_and_the_published_form_it_took_turns_with(monkeypatch):
    monkeypatch.setattr(bench_micro, "Worker", Idle)
    options = bench_micro.BenchOptions(parts="", schemes="k4,ternary,fp16", steps=19)
    figures = bench_micro.measure(bench_micro.BenchConfig(bench=options))
    assert figures["scheme_step_vs_fp32"] == {"k4": 2 / 4, "ternary": 7 / 4, "fp16": 4 / 4}
    assert figures["scheme_step_vs_published"] == {"k4": round(2 / 12, 3), "ternary": round(7 / 17, 3)}
    found = {name.removesuffix("_scheme_step_s"): value for name, value in figures.items() if "scheme_step_s" in name}
    fp32 = {f"fp32_beside_{name}": 4.0 for name in ("k4", "ternary", "fp16")}
    published = {"published_beside_k4": 12.0, "published_beside_ternary": 17.0}
    assert found == {"k4": 2.0, "ternary": 7.0, "fp16": 4.0} | fp32 | published
    assert (figures["k4_peak_rss_mb"], figures["ternary_peak_rss_mb"]) == (200, 700)


def test_a_search_of_more_schemes_is_compared_with_one_of_few(monkeypatch):
    monkeypatch.setattr(bench_micro, "Worker", Idle)
    options = bench_micro.BenchOptions(parts="", precisions="1,2,4", steps=19)
    figures = bench_micro.measure(bench_micro.BenchConfig(bench=options))
    lengths = [len(",".join(bench_micro.SEARCHED.split(",")[:count])) for count in (1, 2, 4)]
    assert lengths[:2] == [len("binary"), len("binary,ternary")]
    ratios = {f"schemes_{count}": round(length / 6, 3) for count, length in zip((2, 4), lengths[1:], strict=True)}
    assert figures["precision_step_vs_schemes_1"] == ratios
    assert [figures[f"schemes_{count}_peak_rss_mb"] for count in (1, 2, 4)] == [100 * length for length in lengths]
    assert figures["schemes_4_start_s"] == 5.0


def test_arcs_of_searches_of_more_schemes_have_the_same_sources_and_kinds():
    few, many = (ChildConfig(search_precision=names) for names in ("binary", "binary,k4,fp16"))
    seen = set()
    for step in range(20):
        pairs = []
        for child in (few, many):
            table = op_table(child)
            values = bench_arcs.random_arc(5, step, child).to_list()
            pairs.append([table[value].kind if i % 2 else value for i, value in enumerate(values)])
            seen |= {table[value].scheme for value in values[1::2]}
        assert pairs[0] == pairs[1]
    assert seen == {"", "binary", "k4", "fp16"}


@pytest.mark.parametrize("table", [bench_table.table, bench_table.plain_table])
def test_a_table_of_few_steps_says_so(table):
    figures = {"machine": "this one", "load": [], "settings": {"seed": 0}, "step_s": 2.0}
    assert bench_table.note(20) == {} and "fewer" not in table(figures)
    assert "fewer than 20 steps" in table(figures | bench_table.note(19)) and "2" in table(figures).split("step_s")[1]


@pytest.mark.usefixtures("graph")
def test_the_start_of_a_search_takes_in_the_sampling_of_its_first_arcs(monkeypatch):
    from enas.options import config
    from enas.runs import search

    sampled, marks = [], []
    sample = search.Search.child_arcs
    monkeypatch.setattr(search.Search, "child_arcs", lambda *of: sampled.append(of[1:]) or sample(*of))
    clock = types.SimpleNamespace(mark=lambda phase: marks.append((phase, len(sampled))))
    child = ChildConfig(num_layers=2, num_cells=1, out_filters=2)
    options = bench_micro.BenchOptions(image_size=8, batch_size=2)
    side = bench_tensorflow.Search(config.to_values(bench_micro.BenchConfig(child=child, bench=options)), clock)
    assert marks[-2:] == [("initialize_s", 0), ("first_arcs_s", 1)]
    [(steps, warmup)] = sampled
    assert (list(steps), warmup) == (list(range(10)), False)
    side.child()


def test_the_plot_is_written(tmp_path):
    cost = {"child_out_filters": [(10, 0.2, 0.1), (20, 0.4, 0.3)], "batch_size": [(16, 0.2, 0.1), (32, 0.4, 0.3)]}
    bench_plot.draw(cost, str(tmp_path / "cost.png"))
    assert (tmp_path / "cost.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "flag, words",
    [
        ("--against=torch,keras", "--against=torch,keras: keras is not one of classic, torch"),
        ("--schemes=k9", "--schemes=k9: k9 is not one of fp32, fp16"),
        ("--parts=fast", "--parts=fast: fast is not one of search, controller"),
        ("--json=/no/such/folder/x.json", "--json=/no/such/folder/x.json: no such folder"),
        ("--json=/proc/1/x.json", "--json=/proc/1/x.json: can't be written: its folder is read-only"),
        ("--plot=x.pdf", "--plot=x.pdf: expected a file whose name ends in .png"),
        ("--steps=0", "--steps=0: expected at least 1"),
        ("--parts=", "--parts=: nothing to measure; expected a part, or --schemes, --precisions or --plot"),
        ("--precisions=1,9", "--precisions=1,9: 9 is not one of 1, 2, 3, 4, 5, 6, 7, 8"),
        ("--parts= --schemes=k4 --against=torch", "--parts=: nothing to compare with torch; expected one of search, "),
        (
            "--parts=fixed,eval --against=classic",
            "--parts=fixed,eval: nothing to compare with classic; expected one of ",
        ),
        (
            "--child_scheme=k4 --against=classic,torch",
            "--child_scheme=k4: expected fp32, the only scheme of --against=",
        ),
        ("--search_precision=k4,k8 --against=torch", "--search_precision=k4,k8: expected none with --against=torch"),
        ("--search_precision=k4 --against=classic", "--search_precision=k4: expected none with --against=classic"),
        ("--child_op_table=conv_3x3 --against=torch", "--child_op_table=conv_3x3: expected sep_conv_3x3,sep_conv_5x5,"),
        ("--child_use_aux_heads --against=torch", "--child_use_aux_heads: --against=torch has no auxiliary head"),
        (
            "--space=macro --child_scheme=k4 --against=torch",
            "--child_scheme=k4: expected fp32, the only scheme of --ag",
        ),
    ],
)
def test_bad_flags_are_told_in_one_line_before_anything_runs(flag, words):
    command = [sys.executable, str(ROOT / "scripts" / "bench.py"), *flag.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {words}")
    assert done.stderr.count("\n") == 1

"""Pictures of macro arcs: the graph they show, and the files."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import cv2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from published_arcs import MACRO as PUBLISHED

from enas.drawing import draw_matplotlib, pictures
from enas.macro import arc, diagram
from enas.macro.config import ChildConfig
from enas.macro.space import SPACE

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"


@st.composite
def networks(draw, most_layers=9):
    bit, op = st.integers(0, 1), st.integers(0, len(arc.OPS) - 1)
    values = []
    for layer in range(draw(st.integers(arc.FEWEST_LAYERS, most_layers))):
        values += [draw(op), *draw(st.lists(bit, min_size=layer, max_size=layer))]
    return arc.from_list(values)


def panels(drawn):
    reductions = arc.reduction_layers(len(drawn.layers))
    return [diagram.describe(drawn, stage, reductions, "k4") for stage in range(3)]


@given(networks())
def test_the_panels_show_every_op_and_every_skip_connection_once(drawn):
    edges, labels = [], {}
    for panel in panels(drawn):
        edges += panel.edges
        labels |= {v.id: v.label for v in panel.vertices}
        assert all(panel.rows[head] > panel.rows[tail] for tail, head in panel.edges)
        assert {v.id for v in panel.vertices} == panel.rows.keys() == {v for edge in panel.edges for v in edge}
    expected = [(str(len(drawn.layers)), "classifier")]
    for i, layer in enumerate(drawn.layers, 1):
        expected += [(str(i - 1), f"{i}.op"), (f"{i}.op", str(i))]
        expected += [(str(source), str(i)) for source, bit in enumerate(layer.skips) if bit]
        words = {"conv_3x3": "conv 3×3 · k4", "avg_pool_3x3": "avg pool 3×3"}.get(arc.OPS[layer.op])
        assert words in (None, labels[f"{i}.op"])
    assert sorted(edges) == sorted(expected)


@settings(max_examples=15, deadline=None)
@given(networks())
def test_boxes_are_apart(drawn):
    for panel in panels(drawn):
        sizes, placed = draw_matplotlib._laid_out(panel)
        boxes = [(x, y, *sizes[v]) for v, (x, y) in placed.centres.items()]
        for i, (x, y, width, height) in enumerate(boxes):
            for other in boxes[i + 1 :]:
                assert abs(x - other[0]) > (width + other[2]) / 2 or abs(y - other[1]) > (height + other[3]) / 2


@pytest.fixture
def without_dot(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "no_programs"))


@pytest.mark.usefixtures("without_dot")
def test_the_main_draws_the_published_arc_from_a_file(tmp_path):
    (tmp_path / "arc.txt").write_text("\n".join(PUBLISHED))
    command = [sys.executable, ROOT / "visualize_macro.py", f"--arc_file={tmp_path}/arc.txt", "--child_scheme=ternary"]
    done = subprocess.run([*command, f"--output_dir={tmp_path}/out"], capture_output=True, text=True, check=True)
    names = [Path(line).name for line in done.stdout.split()]
    assert names == ["network.dot", "network.png", "network.svg"]
    assert cv2.imread(f"{tmp_path}/out/network.png").shape[0] > 1000
    texts = ["".join(e.itertext()) for e in ElementTree.parse(tmp_path / "out" / "network.svg").iter(f"{SVG}text")]
    chosen = [int(line.split()[0]) for line in PUBLISHED]
    for op, label in enumerate(("conv 3×3", "sep 3×3", "conv 5×5", "sep 5×5")):
        assert texts.count(f"{label} · ternary") == chosen.count(op)
    assert texts.count("classifier") == 1 and any("98 of 276 skip connections" in text for text in texts)


@pytest.mark.usefixtures("without_dot")
def test_where_channels_are_a_choice_all_ops_are_drawn_with_their_channels(tmp_path):
    drawn = arc.parse("0 2 1 3 0 4 2 2 3 1 0 1" + " 0 1" * 6 + " 1" + " 0 1" * 6 + " 0 1", whole_channels=False)
    pictures.write(SPACE, drawn, ChildConfig(), tmp_path)
    dot = (tmp_path / "network.dot").read_text(encoding="utf-8")
    assert dot.count("conv 3×3 · fp32: ") == 3 and dot.count("max pool 3×3: 0–0") == 3
    assert "sep 3×3 · fp32: 1–3" in dot and "avg pool 3×3: 3–3" in dot


def test_a_wrong_arc_is_one_line():
    command = [sys.executable, ROOT / "visualize_macro.py", "0", "1", "2", "0", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: arc: expected integers (for layer i its op, then i - 1 skip bits), got 5\n"

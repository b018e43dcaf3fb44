import os
import shutil
import subprocess
import sys
from collections import Counter
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enas.drawing import dot, draw_matplotlib, pictures
from enas.errors import UserError
from enas.micro import arc, diagram
from enas.micro.config import ChildConfig
from enas.micro.op_table import KINDS, op_table
from enas.micro.space import SPACE
from enas.options.config import SCHEMES

ENAS_CIFAR10 = "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"
FILES = sorted(
    f"{name}.{kind}" for name in ("normal_cell", "reduction_cell", "cells") for kind in ("dot", "png", "svg")
)


def table(scheme):
    return op_table(ChildConfig(scheme=scheme))


@st.composite
def cells(draw, most_nodes=12):
    op = st.integers(0, len(arc.OPS) - 1)
    nodes = [
        arc.Node(draw(st.integers(0, k - 1)), draw(op), draw(st.integers(0, k - 1)), draw(op))
        for k in range(2, draw(st.integers(1, most_nodes)) + 2)
    ]
    return arc.Cell(tuple(nodes))


def without_dot(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "no_programs"))


@given(cells())
def test_the_descriptions_edges_are_the_arcs(cell):
    found = diagram.describe(cell, "normal", table("fp32"))
    edges = Counter(found.edges)
    for k, node in enumerate(cell.nodes, 2):
        for side, (index, _) in enumerate(node.sides, 1):
            edges.subtract([(str(index), f"{k}.{side}"), (f"{k}.{side}", str(k))])
    edges.subtract((str(k), "concat") for k in cell.loose_ends)
    edges.subtract([("concat", "output")])
    assert not any(edges.values()), "an edge too many or too few"


@given(cells())
def test_the_descriptions_vertices_are_the_arcs(cell):
    found = diagram.describe(cell, "reduction", table("ternary"))
    labels = {v.id: v.label for v in found.vertices}
    assert len(labels) == len(found.vertices) == 3 * len(cell.nodes) + 4
    assert (labels["0"], labels["1"], labels["concat"], labels["output"]) == ("h[i-1]", "h[i]", "concat", "h[i+1]")
    names = ("sep 3×3 · ternary", "sep 5×5 · ternary", "avg pool 3×3", "max pool 3×3", "identity")
    for k, node in enumerate(cell.nodes, 2):
        assert labels[str(k)] == f"add {k}"
        assert [labels[f"{k}.1"], labels[f"{k}.2"]] == [names[node.op_1], names[node.op_2]]


@given(cells())
def test_every_edge_leads_down_and_ops_are_just_above_their_node(cell):
    found = diagram.describe(cell, "normal", table("fp32"))
    assert found.rows.keys() == {v.id for v in found.vertices}
    assert all(found.rows[head] > found.rows[tail] for tail, head in found.edges)
    assert all(found.rows[v.id] == found.rows[v.id.split(".")[0]] - 1 for v in found.vertices if "." in v.id)
    ops = Counter(found.rows[v.id] for v in found.vertices if "." in v.id)
    assert max(ops.values()) <= (6 if len(cell.nodes) <= 6 else 8)


@settings(max_examples=25, deadline=None)
@given(cells())
def test_the_fallbacks_boxes_are_apart_and_lines_pass_between_them(cell):
    found = diagram.describe(cell, "normal", table("ternary"))
    sizes, placed = draw_matplotlib._laid_out(found)
    boxes = {}
    for v, (x, y) in placed.centres.items():
        boxes[v] = (x - sizes[v][0] / 2, y - sizes[v][1] / 2, x + sizes[v][0] / 2, y + sizes[v][1] / 2)
        left, top, right, bottom = boxes[v]
        assert left >= -1e-9 and top >= -1e-9 and right <= placed.width + 1e-9 and bottom <= placed.height + 1e-9
    for v, a in boxes.items():
        for w, b in boxes.items():
            assert v == w or a[2] + 0.1 < b[0] or b[2] + 0.1 < a[0] or a[3] < b[1] or b[3] < a[1]
        for way in placed.routes.values():
            assert not any(a[0] - 0.05 < x < a[2] + 0.05 and top < a[3] and a[1] < bottom for x, top, bottom in way)


def test_the_reduction_cell_says_that_it_halves():
    cell = arc.parse(ENAS_CIFAR10).reduction
    found = diagram.describe(cell, "reduction", table("fp32"))
    assert (found.title, found.note) == ("reduction cell", "halves height and width")
    assert "halves height and width" in dot.dot_text([found])


def check_files(folder, paths):
    """Every file is there and valid, and the texts hold every label."""
    assert sorted(os.path.basename(path) for path in paths) == sorted(os.listdir(folder)) == FILES
    both = arc.parse(ENAS_CIFAR10)
    for name, expected in (
        ("normal_cell", [both.normal]),
        ("reduction_cell", [both.reduction]),
        ("cells", [both.normal, both.reduction]),
    ):
        height, width, _ = cv2.imread(str(folder / f"{name}.png")).shape
        assert 300 < height < 5000 and 300 < width < 5000
        labels = Counter(v.label for cell in expected for v in diagram.describe(cell, "normal", table("k4")).vertices)
        root = ElementTree.parse(folder / f"{name}.svg").getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        # Graphviz writes the blanks within a label as no-break ones.
        texts = Counter(
            "".join(e.itertext()).replace("\xa0", " ") for e in root.iter("{http://www.w3.org/2000/svg}text")
        )
        assert texts.items() >= labels.items()
        assert ("halves height and width" in texts) == (both.reduction in expected)
        dot = (folder / f"{name}.dot").read_text(encoding="utf-8")
        assert all(f'label="{label}"' in dot or f"label={label} " in dot for label in labels)


def test_without_dot_matplotlib_draws(monkeypatch, tmp_path):
    without_dot(monkeypatch, tmp_path)
    check_files(
        tmp_path / "new" / "out",
        pictures.write(SPACE, arc.parse(ENAS_CIFAR10), ChildConfig(scheme="k4"), tmp_path / "new" / "out"),
    )


def test_the_fallbacks_files_are_reproducible(monkeypatch, tmp_path):
    without_dot(monkeypatch, tmp_path)
    for folder in ("a", "b"):
        pictures.write(SPACE, arc.parse(ENAS_CIFAR10), ChildConfig(scheme="fp32"), tmp_path / folder)
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz's dot is not installed")
def test_with_dot_graphviz_draws(tmp_path):
    check_files(
        tmp_path / "out", pictures.write(SPACE, arc.parse(ENAS_CIFAR10), ChildConfig(scheme="k4"), tmp_path / "out")
    )
    assert "Generated by graphviz" in (tmp_path / "out" / "cells.svg").read_text()


@pytest.mark.parametrize("script", ["exit 1", "exit 0", "kill -9 $$", None])
def test_a_broken_dot_is_made_up_for(monkeypatch, tmp_path, script):
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "dot").write_bytes(f"#!/bin/sh\n{script}\n".encode() if script else b"\x7fELF no program")
    (programs / "dot").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    check_files(
        tmp_path / "out", pictures.write(SPACE, arc.parse(ENAS_CIFAR10), ChildConfig(scheme="k4"), tmp_path / "out")
    )


def test_with_nothing_to_draw_with_there_are_dot_files_and_advice(monkeypatch, tmp_path):
    without_dot(monkeypatch, tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "enas.drawing.draw_matplotlib")
    monkeypatch.delattr("enas.drawing.draw_matplotlib")
    with pytest.raises(UserError, match="apt-get install graphviz, or pip install matplotlib"):
        pictures.write(SPACE, arc.parse(ENAS_CIFAR10), ChildConfig(scheme="fp32"), tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out")) == ["cells.dot", "normal_cell.dot", "reduction_cell.dot"]


def test_a_failed_write_leaves_the_old_file_and_no_litter(monkeypatch, tmp_path):
    (tmp_path / "cells.dot").write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match="--output_dir=.*: can't be written: No space left on device"):
        pictures.write(SPACE, arc.parse(ENAS_CIFAR10), ChildConfig(scheme="fp32"), tmp_path)
    assert os.listdir(tmp_path) == ["cells.dot"]
    assert (tmp_path / "cells.dot").read_text() == "old"


def test_drawing_leaves_matplotlibs_settings_alone():
    import matplotlib

    before = dict(matplotlib.rcParams)
    draw_matplotlib.render([diagram.describe(arc.parse(ENAS_CIFAR10).normal, "normal", table("fp32"))], "svg")
    assert dict(matplotlib.rcParams) == before


def test_importing_the_diagram_imports_neither_tensorflow_nor_matplotlib():
    code = "import sys; import enas.micro.diagram; print({'tensorflow', 'matplotlib', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_every_op_has_a_label_and_a_colour_of_its_own():
    every = op_table(ChildConfig(op_table=",".join(KINDS)))
    found = diagram.describe(arc.parse("0 0 1 1 0 2 1 3 0 4 1 5 " * 2, num_ops=6).normal, "normal", every).vertices
    ops = [v for v in found if v.kind in KINDS]
    assert [v.kind for v in ops] == list(KINDS)
    assert len({v.label for v in ops}) == len({v.fill for v in ops}) == len(KINDS)
    assert [v.label for v in ops if v.kind == "conv_3x3"] == ["conv 3×3 · fp32"]


def test_where_precision_is_searched_each_precision_has_a_colour():
    child = ChildConfig(search_precision="binary,k4,fp16")
    mixed = op_table(child)
    drawn = arc.parse("0 0 1 1 0 2 1 3   0 4 1 5 0 6 1 8", num_ops=len(mixed))
    found = {}
    for name, cell in (("normal", drawn.normal), ("reduction", drawn.reduction)):
        found |= {v.label: v.fill for v in diagram.describe(cell, name, mixed).vertices}
    assert found["sep 3×3 · binary"] == found["sep 5×5 · binary"]
    assert found["sep 3×3 · k4"] == found["sep 5×5 · k4"]
    assert len({found[f"sep 3×3 · {scheme}"] for scheme in ("binary", "k4", "fp16")} | {found["avg pool 3×3"]}) == 4
    assert diagram._SCHEME_COLOURS.keys() == set(SCHEMES)


# Every scheme, and whatever has none: 12 times two convolutions, average and max pooling, identity.
ALL_MIXED = op_table(ChildConfig(search_precision=",".join(SCHEMES)))
ALL_OPS = arc.from_list([value for op in range(len(ALL_MIXED) + 1) for value in (0, op % 27)] * 2, num_ops=27)


def lab(colours):
    """Colours, #rrggbb, in CIELAB, where distances are about as large as they look: `[n, 3]`."""
    rgb = np.array([[list(bytes.fromhex(colour[1:])) for colour in colours]], np.float32) / 255
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)[0]


def test_colours_of_precision_are_told_from_each_other_and_from_all_else():
    """An earlier palette had k5 and k6 at 5.6, k2 and k3 at 6.1, binary and max pooling at 11.4."""
    found = diagram.describe(ALL_OPS.normal, "normal", ALL_MIXED).vertices
    fills = lab(sorted({v.fill for v in found if " · " in v.label}))
    others = lab(sorted({v.fill for v in found if " · " not in v.label}))
    assert len(fills) == len(SCHEMES) == 12
    apart = np.linalg.norm(fills[:, None] - np.concatenate([fills, others]), axis=-1)
    assert np.sort(apart, axis=1)[:, 1].min() > 15
    assert np.linalg.norm(others[:, 1:], axis=-1).max() < 8  # greys
    schemes = {v.outline for v in found if " · " in v.label}
    assert len(schemes) == 12 and not schemes & {v.outline for v in found if " · " not in v.label}


def convolutions(cells, ops):
    return [v for cell in cells for v in diagram.describe(cell, "normal", ops).vertices if " · " in v.label]


def test_a_legend_tells_the_schemes_that_a_picture_uses(monkeypatch, tmp_path):
    without_dot(monkeypatch, tmp_path)
    child = ChildConfig(search_precision="binary,k4,fp16")
    mixed = op_table(child)
    drawn = arc.parse("0 2 1 6 0 7 1 8   0 4 1 5 0 6 1 8", num_ops=len(mixed))
    cells = drawn.normal, drawn.reduction
    for shown, expected in ((cells, ["k4", "fp16"]), (cells[:1], ["fp16"]), (cells[1:], ["k4", "fp16"])):
        [found] = diagram.legend(shown, mixed)
        assert [v.label for v in found.vertices] == expected
        assert {v.fill for v in found.vertices} == {v.fill for v in convolutions(shown, mixed)}
    assert diagram.legend([arc.parse(ENAS_CIFAR10).normal], table("k4")) == []
    assert diagram.legend([arc.parse("0 6 1 7   0 8 1 8", num_ops=9).normal], mixed) == []
    pictures.write(SPACE, drawn, child, tmp_path / "out")
    dot = (tmp_path / "out" / "cells.dot").read_text(encoding="utf-8")
    assert "legend_k4 -> legend_fp16 [style=invis]" in dot
    assert "precision" in (tmp_path / "out" / "cells.svg").read_text(encoding="utf-8")


def test_the_caption_stands_below_every_picture(monkeypatch, tmp_path):
    without_dot(monkeypatch, tmp_path)
    pictures.write(SPACE, arc.parse(ENAS_CIFAR10), ChildConfig(scheme="k4"), tmp_path / "out", "1.2 G bit operations")
    for name in ("cells", "normal_cell", "reduction_cell"):
        for kind in ("dot", "svg"):
            text = (tmp_path / "out" / f"{name}.{kind}").read_text(encoding="utf-8")
            assert text.count("1.2 G bit operations") == 1

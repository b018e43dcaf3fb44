"""Charts and diagrams as SVG: numbers at their places."""

import re
import xml.etree.ElementTree as ElementTree

import made_up_runs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from enas import spaces
from enas.drawing import draw_svg
from enas.options import config
from enas.report import charts
from enas.report.charts import Line


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_are_round_evenly_spaced_and_within_the_axis(low, span):
    high = low + span
    assume(high - low > 1e-6 * max(1, abs(low), abs(high)))
    found = charts.ticks(low, high)
    assert 1 <= len(found) <= 7
    slack = 1e-6 * (high - low) + 1e-11
    assert all(low - slack <= value <= high + slack for value in found)
    steps = [after - before for before, after in zip(found, found[1:], strict=False)]
    assert all(step == pytest.approx(steps[0], rel=1e-6) for step in steps)


def test_points_are_drawn_at_their_places_and_others_left_out():
    points = [(0, 1.0), (10, 3.0), (5, 2.0), (7, None), (8, float("nan"))]
    text = charts.lines("title", "step", [Line("line", points, 0)])
    [left, right, low, high] = map(float, re.search('data-box="([^"]*)"', text)[1].split())
    [at_left, at_right, top, bottom] = map(float, re.search('data-plot="([^"]*)"', text)[1].split())
    placed = [tuple(map(float, p.split(","))) for p in re.search('points="([^"]*)"', text)[1].split()]
    for (x, y), (px, py) in zip([(0, 1.0), (5, 2.0), (10, 3.0)], placed, strict=True):
        assert px == pytest.approx(at_left + (x - left) / (right - left) * (at_right - at_left), abs=0.1)
        assert py == pytest.approx(bottom - (y - low) / (high - low) * (bottom - top), abs=0.1)
    assert 'data-y="1 2 3"' in text


def test_of_many_points_neighbours_are_averaged_and_that_is_said():
    points = [(step, float(step % 2)) for step in range(3 * charts.MOST_POINTS)]
    text = charts.lines("title", "step", [Line("line", points, 0)])
    assert "each point the mean of 3" in text
    drawn = list(map(float, re.search('data-y="([^"]*)"', text)[1].split()))
    assert len(drawn) == charts.MOST_POINTS
    assert drawn[:2] == [pytest.approx(1 / 3, abs=1e-5), pytest.approx(2 / 3, abs=1e-5)]


def test_nothing_is_drawn_of_no_points():
    assert charts.lines("title", "step", [Line("line", [], 0), Line("other", [(1, None)], 1)]) == ""
    assert charts.shares("title", "epoch", {}, []) == ""


@pytest.mark.parametrize("space", ["micro", "macro", "rnn"])
def test_a_diagram_shows_every_vertex_and_edge_within_its_size(space):
    found = spaces.get(space)
    settings = config.from_values(found.search_config, made_up_runs.CHILD[space])
    arc = found.arc.for_child(list(map(int, made_up_runs.ARCS[space][0].split())), settings.child)
    for diagram in found.diagram.pictures(arc, settings.child)[found.diagram.MAIN]:
        root = ElementTree.fromstring(draw_svg.render(diagram))
        assert [text.text for text in root.iter("text")] == [vertex.label for vertex in diagram.vertices]
        assert len(list(root.iter("path"))) == len(list(root.iter("polygon"))) == len(diagram.edges)
        for shape in root.iter("rect"):
            x, y, width, height = (float(shape.get(name)) for name in ("x", "y", "width", "height"))
            assert x >= 0 and x + width <= float(root.get("width")) + 1
            assert y >= 0 and y + height <= float(root.get("height")) + 1

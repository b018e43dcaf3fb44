"""The page that shows runs: what is on it, from runs that are made up, finished or not."""

import json
import re
from html.parser import HTMLParser

import made_up_runs
import pytest

from enas import spaces
from enas.costs.cost import readable
from enas.errors import UserError
from enas.report import page, stored_run

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """A page taken apart: {id of a section: its text}, tables as lists of rows, and attributes that name something to
    load. Whatever is opened has to be closed."""

    def __init__(self, text):
        super().__init__()
        self.text, self.open, self.sections, self.rows, self.loaded, self.tags = text, [], {}, [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        names = dict(attributes)
        self.tags.append(tag)
        self.loaded += [value for name, value in attributes if name in ("src", "href", "srcset", "data", "action")]
        if tag not in VOID:
            self.open.append((tag, names.get("id")))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for tag, id in self.open:
            if tag == "section" and id:
                self.sections[id] = self.sections.get(id, "") + data
        if any(tag in ("td", "th") for tag, _ in self.open):
            self.rows[-1][-1] += data


def shown(*paths):
    """The page of the runs in these directories, taken apart."""
    names = stored_run.names([str(path) for path in paths])
    return Page(page.text([stored_run.read(str(path), name) for path, name in zip(paths, names, strict=True)]))


@pytest.mark.parametrize("space", ["micro", "macro", "rnn"])
def test_a_search_shows_curves_its_arc_ops_arcs_settings_and_what_to_do_next(tmp_path, space):
    made_up_runs.search(tmp_path / "run", space)
    found = shown(tmp_path / "run")
    assert {"curves", "next", "cells", "ops", "arcs", "settings"} <= set(found.sections)
    for title in (
        "Training loss",
        "Learning rate",
        "Reward of sampled arcs",
        "Entropy of the strategy",
        "on all data",
    ):
        assert title in found.sections["curves"], title
    best = made_up_runs.ARCS[space][0 if space == "rnn" else 1]
    assert best in found.sections["cells"]
    rows = [row for row in found.rows if row[-1] in made_up_runs.ARCS[space]]
    assert len(rows) == 6 and rows[0][-1] == best
    assert "train_fixed_arc.py" in found.sections["next"]


@pytest.mark.parametrize("space", ["micro", "macro", "rnn"])
def test_a_training_shows_curves_its_arc_results_and_settings(tmp_path, space):
    made_up_runs.training(tmp_path / "run", space)
    found = shown(tmp_path / "run")
    assert {"curves", "next", "results", "cells", "settings"} <= set(found.sections)
    assert ["parameters", "1,234"] in found.rows
    assert "--eval_only" in found.sections["next"]


def test_the_table_of_arcs_has_the_cost_of_each(tmp_path):
    settings = made_up_runs.search(tmp_path / "run")
    space = spaces.get("micro")
    rows = [row for row in shown(tmp_path / "run").rows if row[-1] in made_up_runs.ARCS["micro"]]
    for row in rows:
        arc = space.arc.for_child(list(map(int, row[-1].split())), settings.child)
        cost = space.cost(arc, settings.child, (8, 8, 1), 3)
        each = (cost.parameters, cost.macs, cost.bitops, cost.model_bytes)
        assert row[1:5] == [readable(value).strip() for value in each]


def test_the_shares_of_ops_are_those_of_the_scored_arcs(tmp_path):
    made_up_runs.search(tmp_path / "run", epochs=1)
    titles = re.findall(r"<title>(epoch [^<]*)</title>", shown(tmp_path / "run").text)
    # "0 0 1 1 0 2 1 3" and "1 4 1 4 0 0 1 0": of eight ops three are 0, one each 1 to 3, two 4.
    assert sorted(titles) == [
        "epoch 1: avg_pool_3x3 12%",
        "epoch 1: identity 25%",
        "epoch 1: max_pool_3x3 12%",
        "epoch 1: sep_conv_3x3 fp32 38%",
        "epoch 1: sep_conv_5x5 fp32 12%",
    ]


def test_a_run_that_has_recorded_nothing_yet_has_a_page(tmp_path):
    for kind in ("search", "training", "evaluation"):
        made_up_runs.write(tmp_path / kind, kind, "micro")
        (tmp_path / kind / "data.json").unlink()
        found = shown(tmp_path / kind)
        assert "Nothing is recorded yet." in found.sections["curves"]
        assert "Go on with this run" in found.sections["next"]


def test_a_run_that_is_being_written_has_a_page_of_its_whole_lines(tmp_path):
    made_up_runs.search(tmp_path / "run", done=2)
    whole = shown(tmp_path / "run")
    for name in ("metrics.jsonl", "arcs.jsonl"):
        with open(tmp_path / "run" / name, "a") as file:
            file.write('{"kind": "child", "epo')
    assert shown(tmp_path / "run").sections == whole.sections
    assert "unfinished, in epoch 3 of 3" in whole.text


def test_nothing_is_loaded_from_elsewhere(tmp_path):
    made_up_runs.search(tmp_path / "run", dataset="folder", data_dir="https://example.org/<script>alert(1)</script>")
    made_up_runs.training(tmp_path / "final")
    made_up_runs.confusion(tmp_path / "final")
    found = shown(tmp_path / "run", tmp_path / "final")
    assert not found.loaded and not {"link", "img", "iframe", "object"} & set(found.tags)
    assert "url(" not in found.text and "@import" not in found.text and "fetch(" not in found.text
    # What is left that looks like an address are names: of SVG, and of the data as the user gave it.
    left = found.text.replace("http://www.w3.org/2000/svg", "")
    assert set(re.findall(r"https?://[\w.]*", left)) == {"https://example.org"}
    assert "default-src 'none'" in left and "alert(1)&lt;/script&gt;" in left
    assert found.tags.count("script") == 1


def test_names_that_are_markup_stay_text(tmp_path):
    made_up_runs.training(tmp_path / "<i>run")
    counts = made_up_runs.confusion(tmp_path / "<i>run")
    found = shown(tmp_path / "<i>run")
    assert "<b>owl</b>" in found.sections["confusion"]
    assert ["<b>owl</b>", *map(str, counts[2])] in found.rows


def test_of_many_classes_the_most_frequent_confusions_are_shown(tmp_path):
    made_up_runs.training(tmp_path / "run")
    counts = made_up_runs.confusion(tmp_path / "run", classes=60)
    wrong = [count for at, row in enumerate(counts) for other, count in enumerate(row) if at != other]
    rows = [row for row in shown(tmp_path / "run").rows if len(row) == 3 and row[0].isdigit()]
    assert [int(row[0]) for row in rows] == sorted(wrong, reverse=True)[:50]


def test_several_runs_are_shown_side_by_side_and_their_differences_marked(tmp_path):
    made_up_runs.search(tmp_path / "a" / "run", "micro")
    made_up_runs.search(tmp_path / "b" / "run", "rnn")
    made_up_runs.search(tmp_path / "c" / "run", "micro", child_scheme="k4")
    found = shown(tmp_path / "a" / "run", tmp_path / "b" / "run", tmp_path / "c" / "run")
    assert ["child_scheme", "fp32", "", "k4"] in found.rows
    assert '<tr class="marked"><th scope="row">child_scheme</th>' in found.text
    for name in ("a/run", "b/run", "c/run"):
        assert name in found.sections["cells"]
    # Accuracies and perplexities don't share an axis.
    assert "Accuracy on all data" in found.sections["curves"] and "Perplexity on all data" in found.sections["curves"]


def test_what_is_no_run_or_is_damaged_is_refused_in_one_line(tmp_path):
    with pytest.raises(UserError, match="expected the directory of a search, a training or an evaluation"):
        shown(tmp_path)
    made_up_runs.search(tmp_path / "run")
    with pytest.raises(UserError, match="named twice"):
        shown(tmp_path / "run", tmp_path / "run")
    (tmp_path / "run" / "arcs.jsonl").write_text('{"epoch": "x", "arc": "0"}\n')
    with pytest.raises(UserError, match="arcs.jsonl: line 1 is no record"):
        shown(tmp_path / "run")
    (tmp_path / "run" / "arcs.jsonl").write_text(json.dumps({"epoch": 1, "arc": "9 9", "val_accuracy": 0.5}) + "\n")
    with pytest.raises(UserError, match="arc: expected"):
        shown(tmp_path / "run")

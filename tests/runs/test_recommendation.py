"""When a search ends, what it recommends, and what more it may be asked for."""

import json
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mains import done, records

from enas import signals
from enas.errors import UserError
from enas.metric import Metric
from enas.micro import config as micro_config
from enas.options import arc_input
from enas.options.config import RecommendationConfig, RunConfig
from enas.runs import recommendation, run_directory, stored_settings

ACCURACY = Metric("accuracy", "acc", "acc", higher_is_better=True)
PERPLEXITY = Metric("perplexity", "ppl", "reward", higher_is_better=False)


def scored(metric, *pairs):
    return [{"epoch": epoch, f"val_{metric.name}": value, "arc": str(i)} for i, (epoch, value) in enumerate(pairs)]


def test_the_recommended_arc_is_the_best_of_all_or_the_best_of_the_last_epoch():
    pairs = (1, 0.5), (1, 0.9), (2, 0.7), (2, 0.6), (2, 0.3)
    for strategy, metric, arc in (
        ("best", ACCURACY, "1"),
        ("last", ACCURACY, "2"),
        ("best", PERPLEXITY, "4"),
        ("last", PERPLEXITY, "4"),
    ):
        found = recommendation.recommended(
            RecommendationConfig(select_strategy=strategy), metric, scored(metric, *pairs)
        )
        assert found["arc"] == arc


def test_an_arc_without_a_finite_score_is_the_worst_of_all():
    for values, arc in (((None, 1e300, None), "1"), ((80.0, None), "0"), ((None, None), "0")):
        pairs = [(1, value) for value in values]
        assert recommendation.recommended(RecommendationConfig(), PERPLEXITY, scored(PERPLEXITY, *pairs))["arc"] == arc


@pytest.mark.parametrize(
    "metric, limit, values, over",
    [
        (ACCURACY, 0.0, (0.99, 1.0), False),
        (ACCURACY, 0.9, (0.5, 0.9), False),
        (ACCURACY, 0.9, (0.91, 0.5), True),
        (PERPLEXITY, 80.0, (200.0, 80.0), False),
        (PERPLEXITY, 80.0, (79.0, 200.0), True),
    ],
)
def test_a_search_is_over_once_an_arc_has_passed_the_limit(metric, limit, values, over):

    from enas.runs import search

    running = search.Search.__new__(search.Search)
    running.metric = metric
    running.config = micro_config.SearchConfig(recommendation=RecommendationConfig(early_stop_over=limit))
    running.run = type("Run", (), {"read": lambda _self, _name: scored(metric, *((1, value) for value in values))})()
    assert running.is_over() is over


def search_config(path, **values):
    run = RunConfig(output_dir=str(path), num_epochs=3)
    return micro_config.SearchConfig(recommendation=RecommendationConfig(**values), run=run)


def test_sampling_takes_the_settings_of_the_search(tmp_path):
    child = micro_config.ChildConfig(num_cells=3)
    stored = micro_config.SearchConfig(child=child, run=RunConfig(output_dir=str(tmp_path / "run"), seed=7))
    run_directory.open_run(stored, "search").close()
    found = stored_settings.search_settings(
        search_config(tmp_path / "run", sampling_only=True, num_sampling=4), {"num_sampling": 4}
    )
    assert (found.child, found.run.seed, found.run.num_epochs) == (child, 7, 10)
    assert (found.recommendation.sampling_only, found.recommendation.num_sampling) == (True, 4)
    with pytest.raises(UserError, match=f"--output_dir={tmp_path}/run: holds a run with other settings"):
        stored_settings.search_settings(search_config(tmp_path / "run"), {})


def test_sampling_writes_an_arc_only_where_its_own_command_line_says(tmp_path):
    stored = search_config(tmp_path / "run", recommended_arch=str(tmp_path / "best.json"))
    run_directory.open_run(stored, "search").close()
    sampling = search_config(tmp_path / "run", sampling_only=True)
    assert stored_settings.search_settings(sampling, {}).recommendation.recommended_arch == ""
    more = str(tmp_path / "more.json")
    sampling = search_config(tmp_path / "run", sampling_only=True, recommended_arch=more)
    found = stored_settings.search_settings(sampling, {"recommended_arch": more})
    assert found.recommendation.recommended_arch == more


def test_sampling_without_a_search_and_a_bad_file_are_told_at_once(tmp_path):
    with pytest.raises(UserError, match="expected a search of the micro space, for --sampling_only"):
        stored_settings.search_settings(search_config(tmp_path / "none", sampling_only=True), {})
    with pytest.raises(UserError, match="--recommended_arch=.*: no such folder"):
        stored_settings.search_settings(
            search_config(tmp_path / "new", recommended_arch=str(tmp_path / "no" / "arc")), {}
        )
    for inside in ("best_arc.txt", "x/arc.npy", "../new/arc.json"):
        with pytest.raises(
            UserError, match="--recommended_arch=.*: is in --output_dir=.*/new; expected a file outside"
        ):
            config = search_config(tmp_path / "new", recommended_arch=str(tmp_path / "new" / inside))
            stored_settings.search_settings(config, {})
    read_only = Path("/proc/1")  # where nobody may write, root included
    if read_only.exists():
        with pytest.raises(
            UserError, match="--recommended_arch=/proc/1/arc: can't be written: its folder is read-only"
        ):
            stored_settings.search_settings(search_config(tmp_path / "new", recommended_arch="/proc/1/arc"), {})
    assert not (tmp_path / "new").exists()


class Sampling:
    """Stands in for a search whose arcs are numbers."""

    def __init__(self, path, count, stop_at=None):
        self.config = search_config(path, num_sampling=count)
        self.run = run_directory.open_run(self.config, "search")
        self.metric, self.loop = ACCURACY, SimpleNamespace(position=SimpleNamespace(epoch=3))
        self.stop_at, self.sampled = stop_at, []

    def preferred(self, purpose, steps):
        self.sampled.append((purpose, len(steps)))
        return list(steps)

    def score_arc(self, values, file, record):
        if values == self.stop_at:
            raise signals.Stopped(signal.SIGTERM)
        self.run.append(file, {**record, "val_accuracy": 0.5, "arc": str(values)})


def sample_more(path, count, stop_at=None):
    sampling = Sampling(path, count, stop_at)
    with sampling.run:
        recommendation.sample_more(sampling)
    return sampling


def test_arcs_are_sampled_in_blocks_and_none_twice(tmp_path):
    sampling = sample_more(tmp_path / "run", 2300)
    assert sampling.sampled == [("more", 1000), ("more", 1000), ("more", 300)]
    sample_more(tmp_path / "run", 5)
    sampled = records(tmp_path / "run" / "sampled_arcs.jsonl")
    assert [(record["number"], record["arc"]) for record in sampled] == [(i, str(i)) for i in range(2305)]


def test_a_line_that_a_full_disk_tore_does_not_spoil_the_next_one(tmp_path):
    sample_more(tmp_path / "run", 2)
    path = tmp_path / "run" / "sampled_arcs.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    sample_more(tmp_path / "run", 2)
    assert [record["number"] for record in records(path)] == [0, 1, 2]


def test_a_sampling_that_is_stopped_says_what_is_kept(tmp_path):
    with pytest.raises(signals.Stopped):
        sample_more(tmp_path / "run", 5, stop_at=3)
    assert len(records(tmp_path / "run" / "sampled_arcs.jsonl")) == 3
    log = (tmp_path / "run" / "stdout").read_text()
    assert "stopped by SIGTERM after 3 of 5 sampled arcs, which are kept in " in log
    assert log.endswith("/sampled_arcs.jsonl; the same command samples 5 more\n")


SMALL = [
    "--child_num_layers=2",
    "--child_num_cells=2",
    "--child_out_filters=4",
    "--max_train_images=96",
    "--log_every=2",
]


@pytest.mark.slow
def test_a_search_stops_early_samples_more_and_its_arc_is_trained_wider(tmp_path):
    out, best = f"--output_dir={tmp_path}/search", tmp_path / "arc.npy"
    controller = ["--controller_train_steps=1", "--controller_num_aggregate=2", "--max_valid_images=40"]
    flags = [*SMALL, *controller, "--num_epochs=50", "--early_stop_over=0.01", f"--recommended_arch={best}", out]
    printed = done("search_micro.py", *flags)
    epochs = [record["epoch"] for record in records(tmp_path / "search" / "arcs.jsonl")]
    assert "an arc has passed --early_stop_over=0.01" in printed and max(epochs) < 10
    chosen = (tmp_path / "search" / "best_arc.txt").read_text()
    assert np.load(best).tolist() == arc_input.integers(chosen)
    losses = (tmp_path / "search" / "series" / "child_loss.txt").read_text().splitlines()
    assert len(losses) >= 1 and all(len(line.split()) == 2 for line in losses)

    more = ["--sampling_only", "--num_sampling=3", f"--recommended_arch={tmp_path}/more.json", out]
    for count in (3, 6):
        assert "best of 3 sampled arcs" in done("search_micro.py", *more)
        sampled = records(tmp_path / "search" / "sampled_arcs.jsonl")
        assert [record["number"] for record in sampled] == list(range(count))
    arcs = [record["arc"] for record in sampled]
    assert len(set(arcs)) == 6 and " ".join(map(str, json.loads((tmp_path / "more.json").read_text()))) in arcs[3:]

    parameters = []
    for added in (0, 4):
        final = [f"--additional_filters_on_retrain={added}", f"--output_dir={tmp_path}/final_{added}"]
        done("train_fixed_arc.py", *SMALL, "--num_epochs=1", f"--arc_file={best}", *final)
        parameters.append(json.loads((tmp_path / f"final_{added}" / "results.json").read_text())["parameters"])
    assert 2 * parameters[0] < parameters[1] < 4.1 * parameters[0]


def test_under_a_budget_the_log_holds_the_reward_that_decides():
    from enas.micro.space import SPACE as space
    from enas.runs import search

    said, kept, costs = [], [], {"0 0 1 1": 300.0}
    running = search.Search.__new__(search.Search)
    running.metric, running.space, running.config = ACCURACY, space, micro_config.SearchConfig()
    running.run = SimpleNamespace(log=said.append, append=lambda _file, record: kept.append(record))
    running.budget = SimpleNamespace(cost=lambda arc: costs[str(arc)[:7]], penalty=lambda _arc: 0.25)
    running.session, running.graph = None, SimpleNamespace(arc="arc")
    found = {"accuracy": 0.875, "balanced_accuracy": 0.5, "recall": {}}
    running.scorer = SimpleNamespace(merit="accuracy", figures=lambda *_: found)
    running.score_arc(np.array([0, 0, 1, 1] * 10), "arcs.jsonl", {"epoch": 1})
    assert "bitops = 300    reward = 0.6250" in said
    recommendation._log_merits(running, kept[0])
    assert said[-2] == "best_val_accuracy: 0.8750"
    assert said[-1] == "best_reward: 0.6250 (the best arc is the one of the highest reward, not val_accuracy)"
    running.scorer.merit, running.budget = "balanced_accuracy", None
    running.score_arc(np.array([0, 0, 1, 1] * 10), "arcs.jsonl", {"epoch": 1})
    assert "val_balanced_accuracy = 0.5000   reward = 0.5000" in said
    assert (kept[1]["val_accuracy"], kept[1]["val_balanced_accuracy"], kept[1]["reward"]) == (0.875, 0.5, 0.5)
    recommendation._log_merits(running, {"val_accuracy": 0.5})
    assert said[-1] == "best_val_accuracy: 0.5000"

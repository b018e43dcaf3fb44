"""What the budget takes from a reward; that arcs come to cost what they should is in tests/micro."""

import types

import pytest

from enas.costs import budget
from enas.costs.cost import Cost
from enas.micro import arc as arcs
from enas.micro import cost
from enas.micro.config import ChildConfig, SearchConfig
from enas.options.budget import BudgetConfig
from enas.options.config import Settings


def made(kind, target, weight=0.5):
    figures = Cost(parameters=1, macs=2_000, bitops=30_000, model_bytes=400)
    return budget.Budget(BudgetConfig(kind, target, weight), lambda _: getattr(figures, kind))


@pytest.mark.parametrize("kind, value", [("bitops", 30_000), ("model_bytes", 400), ("macs", 2_000)])
def test_a_cost_off_target_costs_its_share_either_way(kind, value):
    assert made(kind, value).cost(None) == value
    assert made(kind, float(value)).penalty(None) == 0
    assert made(kind, value / 1.2).penalty(None) == pytest.approx(0.5 * 0.2)
    assert made(kind, value / 0.8).penalty(None) == pytest.approx(0.5 * 0.2)


def test_on_target_means_within_ten_percent():
    assert [made("macs", 2_000 / share).met(None) for share in (0.89, 0.91, 1.09, 1.11)] == [False, True, True, False]


def test_the_budget_counts_with_the_cost_model_of_the_space():
    dataset = types.SimpleNamespace(image_shape=(8, 8, 1), num_classes=10)
    space = types.SimpleNamespace(cost=cost.cost)
    child = ChildConfig(num_cells=1)
    config = SearchConfig(child=child, budget=BudgetConfig("macs", 1e6))
    arc = arcs.parse("0 0 1 1 0 2 1 3")
    assert budget.of(config, space, dataset).cost(arc) == cost.cost(arc, child, (8, 8, 1), 10).macs
    assert budget.of(SearchConfig(), space, dataset) is None
    assert budget.of(Settings(), space, dataset) is None

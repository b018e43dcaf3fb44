"""Statistics against values worked out by hand."""

import math

import numpy as np
import pytest

from enas.evaluation import statistics


def test_tau_between_columns_is_the_mean_over_pairs_of_them():
    columns = [[1, 2, 3, 4], [1, 2, 4, 3], [4, 3, 2, 1]]
    assert statistics.kendall_tau_between(columns) == pytest.approx((4 / 6 - 1 - 4 / 6) / 3)
    assert math.isnan(statistics.kendall_tau_between(columns[:1]))


def test_kendall_tau_counts_pairs_in_order():
    # Of 6 pairs 5 agree and 1 does not.
    assert statistics.kendall_tau([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(4 / 6)
    # tau-b: of 3 pairs 2 agree, 1 is tied in y: 2 / sqrt(3 * 2).
    assert statistics.kendall_tau([1, 2, 3], [1, 2, 2]) == pytest.approx(2 / math.sqrt(6))
    assert math.isnan(statistics.kendall_tau([1, 2, 3], [5, 5, 5]))


def test_the_interval_holds_the_correlation_and_narrows_with_more_arcs():
    rng = np.random.default_rng(0)

    def interval(count):
        x = rng.normal(size=count)
        y = x + rng.normal(size=count)
        low, high = statistics.kendall_tau_interval(x, y, 0, resamples=300)
        assert low < statistics.kendall_tau(x, y) < high
        return high - low

    assert interval(200) < 0.5 * interval(15)
    assert statistics.kendall_tau_interval([1, 2, 3, 4], [4, 1, 3, 2], 5) == statistics.kendall_tau_interval(
        [1, 2, 3, 4], [4, 1, 3, 2], 5
    )


def test_mann_whitney_is_one_sided_and_exact_for_small_groups():
    # All of 3 above all of 3: one order of the 20 that are possible.
    assert statistics.mann_whitney_p([4, 5, 6], [1, 2, 3]) == pytest.approx(1 / 20)
    assert statistics.mann_whitney_p([1, 2, 3], [4, 5, 6]) == pytest.approx(1)


def test_the_front_is_what_nothing_dominates():
    points = [(10, 0.5), (20, 0.4), (20, 0.7), (5, 0.1), (30, 0.7)]
    assert statistics.pareto_front(points) == [(5, 0.1), (10, 0.5), (20, 0.7)]


def test_hypervolume_is_an_area_over_decades_of_cost():
    worst = (1000, 0.1)
    assert statistics.hypervolume([(10, 0.6)], worst) == pytest.approx(2 * 0.5)
    # The second point adds one decade of 0.2 more; a dominated one, one too dear and one too bad add nothing.
    points = [(10, 0.6), (100, 0.8), (50, 0.5), (2000, 0.9), (1, 0.1)]
    assert statistics.hypervolume(points, worst) == pytest.approx(2 * 0.5 + 1 * 0.2)
    assert statistics.hypervolume([], worst) == 0

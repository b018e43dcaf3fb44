"""Statistics of an evaluation: groups compared, ranks correlated, fronts measured. Nothing here imports TensorFlow."""

import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np
from scipy import stats

from enas.randomness import generator

Point = tuple[float, float]  # (cost, accuracy)


def kendall_tau(x: Sequence[float], y: Sequence[float]) -> float:
    """Computes Kendall's rank correlation tau-b, which allows ties, of the pairs of x and y. NaN if x or y is constant."""
    return float(_kendall_taus(np.asarray(x), np.asarray(y)))


def kendall_tau_between(columns: Sequence[Sequence[float]]) -> float:
    """Computes the mean of `kendall_tau` over all pairs of columns `[n]`, e.g. the accuracies of n arcs under each seed. NaN
    if there are no two columns, or one is constant."""
    taus = [kendall_tau(x, y) for x, y in itertools.combinations(columns, 2)]
    return float(np.mean(taus)) if taus else math.nan


def kendall_tau_p(x: Sequence[float], y: Sequence[float]) -> float:
    """Computes p of the two-sided test that x and y have no rank correlation. NaN if x or y is constant."""
    return float(stats.kendalltau(x, y).pvalue)


def _kendall_taus(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Computes `kendall_tau` along the last axis: `[...]` of x and y `[..., n]`."""
    x, y = (np.sign(np.subtract(v[..., :, None], v[..., None, :])) for v in (x, y))
    # Every pair of pairs is there twice, in the products and under the root alike.
    agreeing = np.sum(x * y, (-2, -1))
    with np.errstate(invalid="ignore"):
        return agreeing / np.sqrt(np.sum(x * x, (-2, -1)) * np.sum(y * y, (-2, -1)))


def kendall_tau_interval(
    x: Sequence[float], y: Sequence[float], seed: int, level: float = 0.95, resamples: int = 2000
) -> tuple[float, float]:
    """Computes the bootstrap interval of `kendall_tau`: percentiles over resampled pairs (Efron and Tibshirani 1993, section
    13.3).

    Args:
      x, y: the pairs.
      seed: seed of the resampling.
      level: coverage.

    Returns:
      (low, high). They are NaN if no resample has a correlation.
    """
    left, right = np.asarray(x, float), np.asarray(y, float)
    draws = generator(seed, "bootstrap").integers(0, len(left), (resamples, len(left)))
    taus = np.concatenate([_kendall_taus(left[some], right[some]) for some in np.array_split(draws, 20)])
    taus = taus[np.isfinite(taus)]
    if not len(taus):
        return math.nan, math.nan
    low, high = np.quantile(taus, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mann_whitney_p(better: Sequence[float], other: Sequence[float]) -> float:
    """Computes p of the one-sided Mann-Whitney U test that values of `better` tend to be greater than those of `other`."""
    return float(stats.mannwhitneyu(better, other, alternative="greater").pvalue)


def pareto_front(points: Iterable[Point]) -> list[Point]:
    """Returns the points that no other dominates, by rising cost. Less cost and more accuracy are better."""
    front: list[Point] = []
    for cost, accuracy in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or accuracy > front[-1][1]:
            front.append((cost, accuracy))
    return front


def hypervolume(points: Iterable[Point], worst: Point) -> float:
    """Computes the area that points dominate up to a reference point, costs on a scale of log10 (Zitzler and Thiele 1998).

    Args:
      worst: the reference point. A point that does not beat it in both cost and accuracy adds nothing.

    Returns:
      The area as (decades of cost saved) x (accuracy gained).
    """
    front = [p for p in pareto_front(points) if p[0] < worst[0] and p[1] > worst[1]]
    ends = [cost for cost, _ in front[1:]] + [worst[0]]
    return sum(
        math.log10(end / cost) * (accuracy - worst[1]) for (cost, accuracy), end in zip(front, ends, strict=False)
    )

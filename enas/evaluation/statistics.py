"""Statistics of an evaluation: groups compared, ranks correlated, fronts measured. Nothing here imports TensorFlow."""

import math

import numpy as np
from scipy import stats

from enas.randomness import generator


def kendall_tau(x, y):
    """Kendall's rank correlation tau-b (ties allowed); NaN where x or y is constant.

    Args:
      x, y: `[..., n]`, pairs along the last axis.

    Returns:
      float, or an array `[...]`.
    """
    x, y = (np.sign(np.subtract(v[..., :, None], v[..., None, :])) for v in (np.asarray(x), np.asarray(y)))
    # Every pair of pairs is there twice, in the products and under the root alike.
    agreeing = np.sum(x * y, (-2, -1))
    with np.errstate(invalid="ignore"):
        tau = agreeing / np.sqrt(np.sum(x * x, (-2, -1)) * np.sum(y * y, (-2, -1)))
    return float(tau) if np.ndim(tau) == 0 else tau


def kendall_tau_interval(x, y, seed, level=0.95, resamples=2000):
    """Bootstrap interval of `kendall_tau`: percentiles over resampled pairs (Efron and Tibshirani 1993, section 13.3).

    Args:
      x, y: `[n]`.
      seed: of the resampling.
      level: coverage.

    Returns:
      (low, high); NaN where no resample has a correlation.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    draws = generator(seed, "bootstrap").integers(0, len(x), (resamples, len(x)))
    taus = np.concatenate([kendall_tau(x[some], y[some]) for some in np.array_split(draws, 20)])
    taus = taus[np.isfinite(taus)]
    if not len(taus):
        return math.nan, math.nan
    return tuple(float(value) for value in np.quantile(taus, [(1 - level) / 2, (1 + level) / 2]))


def mann_whitney_p(better, other):
    """p of the Mann-Whitney U test that values of `better` tend to be greater than those of `other` (one-sided)."""
    return float(stats.mannwhitneyu(better, other, alternative="greater").pvalue)


def pareto_front(points):
    """The points no other dominates, by rising cost.

    Args:
      points: (cost, accuracy) pairs; less cost and more accuracy are better.
    """
    front = []
    for cost, accuracy in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or accuracy > front[-1][1]:
            front.append((cost, accuracy))
    return front


def hypervolume(points, worst):
    """Area that points dominate, up to a reference point, the costs on a scale of log10 (Zitzler and Thiele 1998).

    Args:
      points: (cost, accuracy) pairs.
      worst: the reference (cost, accuracy); what does not beat it in both counts nothing.

    Returns:
      Sum of (decades of cost saved) x (accuracy gained).
    """
    front = [p for p in pareto_front(points) if p[0] < worst[0] and p[1] > worst[1]]
    ends = [cost for cost, _ in front[1:]] + [worst[0]]
    return sum(
        math.log10(end / cost) * (accuracy - worst[1]) for (cost, accuracy), end in zip(front, ends, strict=False)
    )

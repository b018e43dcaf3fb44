"""The predictor of rewards against the textbook's formulas, and the search that it leads."""

import numpy as np
import pytest
from scipy import stats
from test_strategies import Built, flat

from enas.strategies import predictor
from enas.strategies.predictor import FIRST, LENGTHS, NOISES, fit


def data(count=25, seed=0):
    random = np.random.default_rng(seed)
    arcs = random.integers(0, [2, 3, 5, 4], (count, 4)).astype(np.int32)
    return arcs, np.sin(arcs @ [1.0, 0.7, 0.4, 0.2]) + random.normal(0, 0.1, count)


def covariance(some, others, length):
    """Entry by entry."""
    return np.array([[np.exp(-sum(x != y for x, y in zip(a, b, strict=True)) / length) for b in others] for a in some])


def likelihood(arcs, rewards, length, noise):
    """Log density at the scale of the highest density, which is had in closed form."""
    shape = covariance(arcs, arcs, length) + noise * np.eye(len(arcs))
    centred = rewards - rewards.mean()
    scale = centred @ np.linalg.inv(shape) @ centred / len(arcs)
    return stats.multivariate_normal(np.full(len(arcs), rewards.mean()), scale * shape).logpdf(rewards), scale


def test_length_and_noise_are_the_likeliest_and_predictions_are_those_of_the_formula():
    arcs, rewards = data()
    pairs = [(length, noise) for length in LENGTHS for noise in NOISES]
    length, noise = max(pairs, key=lambda pair: likelihood(arcs, rewards, *pair)[0])
    fitted, new = fit(arcs, rewards), data(7, 1)[0]
    assert fitted.length == length
    assert fitted.scale**2 == pytest.approx(likelihood(arcs, rewards, length, noise)[1])
    inverse = np.linalg.inv(covariance(arcs, arcs, length) + noise * np.eye(len(arcs)))
    shared = covariance(new, arcs, length)
    expected = rewards.mean() + shared @ inverse @ (rewards - rewards.mean())
    np.testing.assert_allclose(fitted.predict(new), expected, rtol=1e-6)
    drawn = np.array([fitted.sample(new, np.random.default_rng(i)) for i in range(500)])
    spread = fitted.scale**2 * (covariance(new, new, length) - shared @ inverse @ shared.T)
    np.testing.assert_allclose(drawn.mean(0), expected, atol=4 * np.sqrt(spread.max() / 500))
    np.testing.assert_allclose(np.cov(drawn.T), spread, atol=0.25 * spread.max())


def test_equal_rewards_of_equal_arcs_are_predicted():
    arcs = np.zeros([30, 4], np.int32)
    np.testing.assert_allclose(fit(arcs, np.full(30, 0.5, np.float32)).predict(arcs), 0.5, atol=1e-6)


def test_what_is_proposed_is_new_and_uniform_until_there_is_something_to_learn_from():
    built, tried = Built("predictor"), set()
    while len(tried) < FIRST + 20:
        arcs, _, learned = built.update(lambda arc: float(arc.sum()))
        if len(tried) >= FIRST:
            assert not tried & set(flat(arcs))
        tried |= set(flat(arcs))
    assert 0 < learned.normalized_entropy < 1


@pytest.mark.slow
def test_a_planted_arc_is_found_from_300_rewards():
    built = Built("predictor")
    planted, noise = built.propose([10**6], "planted")[0], np.random.default_rng(0)
    for _ in range(60):
        built.update(lambda arc: float(np.mean(arc == planted) + noise.normal(0, 0.02)))
    arcs = built.strategy.preferred(built.session, 0, "arc/score", range(20))
    assert max(np.mean(arc == planted) for arc in arcs) == 1.0


def test_mutants_stay_within_the_choices_and_decisions_without_an_alternative_stay():
    built = Built("predictor")
    search = built.strategy
    search.population.choices = np.array([1, 2, 5])
    found = search._candidates(np.array([[0, 1, 4]]), np.random.default_rng(0))[: predictor.MUTANTS]
    assert np.all((found >= 0) & (found < search.population.choices))
    assert np.all(found[:, 0] == 0) and np.all(np.any(found != [0, 1, 4], axis=1))

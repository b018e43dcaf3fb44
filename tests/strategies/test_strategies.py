"""Strategies, on every space's decisions: what they propose, keep and learn."""

from collections import deque

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from enas import spaces, strategies
from enas.options.strategy import StrategyConfig
from enas.runs import session
from enas.strategies.strategy import PURPOSE

SIZE, TOURNAMENT, ARCS = 12, 4, 5
CHILD = {
    "micro": {"num_cells": 2},
    "macro": {"num_layers": 4},
    "macro channels": {"num_layers": 3, "out_filters": 4, "controller_search_whole_channels": False},
    "rnn": {"rhn_depth": 4},
}


class Built:
    """A strategy over a space's decisions, in a session of its own.

    Args:
      name: the strategy.
      kind: one of `CHILD`.
    """

    def __init__(self, name, kind="micro", size=SIZE, tournament=TOURNAMENT):
        self.space = spaces.get(kind.split()[0])
        self.child = type(self.space.search_config().child)(**CHILD[kind])
        self.choices = self.space.controller.choices(self.child)
        session.graph_mode()
        with tf.Graph().as_default() as graph:
            controller = self.space.controller.build(self.space.search_config().controller, self.child, 0)
            options = StrategyConfig(name, size, tournament)
            self.strategy = strategies.build(options, controller, self.choices)
            initialize = tf.global_variables_initializer()
        self.session = session.open_session(graph)
        self.session.run(initialize)

    def propose(self, steps, purpose=PURPOSE, seed=0):
        return self.strategy.propose(self.session, seed, purpose, steps)

    def update(self, reward):
        """One update with the rewards `reward(arc)`; returns (proposed arcs, rewards, what was learned)."""
        step = self.strategy.updates(self.session)
        steps = range(step * ARCS, (step + 1) * ARCS)
        arcs = self.propose(steps)
        rewards = np.array([reward(arc) for arc in arcs], np.float32)
        return arcs, rewards, self.strategy.learn(self.session, 0, steps, rewards)


def flat(arcs):
    return [tuple(arc.ravel().tolist()) for arc in arcs]


@pytest.mark.parametrize("kind", CHILD)
@pytest.mark.parametrize("name", ["reinforce", "random", "evolution", "predictor"])
def test_what_is_proposed_and_preferred_are_arcs_of_the_space_and_the_same_each_time(name, kind):
    built = Built(name, kind)
    for _ in range(4):
        built.update(lambda arc: float(arc.sum()))
    for give in (built.strategy.propose, built.strategy.preferred):
        arcs = give(built.session, 3, "arc/child", range(8))
        for arc in arcs:
            built.space.arc.for_child(arc.ravel().tolist(), built.child)
        assert flat(arcs) == flat(give(built.session, 3, "arc/child", range(8)))
        assert flat(arcs[5:]) == flat(give(built.session, 3, "arc/child", range(5, 8)))
    assert flat(built.propose(range(8))) != flat(built.propose(range(8), seed=1))
    assert built.strategy.updates(built.session) == 4


def test_random_arcs_are_uniform_whatever_their_rewards():
    built = Built("random")
    for _ in range(3):
        _, _, learned = built.update(lambda arc: float(arc.sum()))
    arcs = np.reshape(built.propose(range(2000)), [2000, 2, 2, 4])
    for node in (0, 1):
        for place, count in enumerate((node + 2, 5, node + 2, 5)):
            share = np.bincount(arcs[:, :, node, place].ravel(), minlength=count) / 4000
            assert np.all(np.abs(share - 1 / count) < 4 * np.sqrt(0.25 / 4000)), (node, place)
    assert learned.normalized_entropy == 1.0


@pytest.mark.parametrize("name", ["random", "evolution"])
def test_the_latest_arcs_live_and_those_preferred_are_the_best_of_a_tournament(name):
    built, lived = Built(name), deque(maxlen=SIZE)
    for update in range(6):
        arcs, rewards, _ = built.update(lambda arc: float(arc.sum()))
        lived.extend(zip(flat(arcs), rewards.tolist(), strict=True))
        found = set(flat(built.strategy.preferred(built.session, 0, "arc/score", range(300))))
        # The best of 4 is never among the 3 worst; ties in reward may go either way.
        ranked = sorted(lived, key=lambda member: member[1])
        most = min(TOURNAMENT, len(ranked))
        allowed = {arc for arc, reward in lived if reward >= ranked[most - 1][1]}
        assert found <= allowed, update
        assert max(lived, key=lambda member: member[1])[1] in [dict(lived)[arc] for arc in found]


def test_a_mutant_differs_from_a_member_in_one_decision_and_one_in_twenty_in_none():
    built = Built("evolution")
    while len(built.strategy.population.members(built.session)[1]) < SIZE:
        built.update(lambda arc: float(arc.sum()))
    members = built.strategy.population.arcs(built.session, built.strategy.population.members(built.session)[0])
    mutants = np.reshape(built.propose(range(1000), "arc/child"), [1000, 1, -1])
    least = np.min(np.sum(mutants != np.reshape(members, [1, SIZE, -1]), axis=2), axis=1)
    assert set(least) == {0, 1}
    assert 0.05 - 4 * np.sqrt(0.05 * 0.95 / 1000) < np.mean(least == 0) < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 1000) + 0.02


def test_a_reward_that_is_not_finite_teaches_nothing():
    built = Built("evolution")
    for _ in range(3):
        built.update(lambda _: 0.5)
    before = built.strategy.population.members(built.session)
    built.update(lambda _: float("nan"))
    after = built.strategy.population.members(built.session)
    assert all(np.array_equal(old, new) for old, new in zip(before, after, strict=True))
    assert built.strategy.updates(built.session) == 4


def test_the_entropy_of_evolution_is_that_of_its_population():
    built = Built("evolution", size=2, tournament=2)
    for _ in range(9):
        _, _, learned = built.update(lambda arc: float(arc.sum()))
    decisions, _ = built.strategy.population.members(built.session)
    # Of two members a decision is either the same in both, or one bit.
    differing = np.sum(decisions[0] != decisions[1])
    assert learned.figures["entropy"] == pytest.approx(differing * np.log(2))
    highest = sum(np.log(count) for count in built.choices)
    assert learned.normalized_entropy == pytest.approx(differing * np.log(2) / highest)


@pytest.mark.parametrize("kind", ["micro", "macro", "rnn"])
def test_evolution_finds_a_planted_arc_and_random_search_does_not(kind):
    found = {}
    for name in ("random", "evolution"):
        built = Built(name, kind, size=30, tournament=8)
        planted = built.propose([10**6], "planted")[0]
        noise = np.random.default_rng(0)
        for _ in range(200):
            built.update(lambda arc: float(np.mean(arc == planted) + noise.normal(0, 0.02)))  # noqa: B023
        arcs = built.strategy.preferred(built.session, 0, "arc/score", range(50))
        found[name] = max(np.mean(arc == planted) for arc in arcs)
    assert found["evolution"] == 1.0 > found["random"], found


def test_a_name_stands_for_one_strategy():
    with pytest.raises(ValueError, match="already"):
        strategies.register("evolution", "elsewhere")
    strategies.register("evolution", "enas.strategies.evolution")

"""What is run on NAS-Bench-201. Each optimizer is a generator of (reward of a cell, seed): it makes some queries a step, and
yields the cell that it would return then; None: the one of the highest reward."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from enas import strategies
from enas.errors import UserError
from enas.micro.config import ControllerConfig
from enas.options.strategy import StrategyConfig
from enas.randomness import generator
from enas.strategies.predictor import PredictorSearch
from enas.strategies.strategy import PURPOSE
from scripts.benchmarks import nasbench201_table as table

Reward = Callable[[np.ndarray], float]
ARCS = 10  # of an update, as by default in a search
# As published on this benchmark (NAS-Bench-201, arXiv 2001.00326, appendix): regularized evolution with a population and a
# tournament of 10, REINFORCE with an independent softmax for each edge, Adam and a moving baseline of decay 0.9.
PUBLISHED_POPULATION, PUBLISHED_TOURNAMENT = 10, 10
PUBLISHED_LR, PUBLISHED_DECAY = 0.001, 0.9
ADAM_BETA1, ADAM_BETA2, ADAM_EPSILON = 0.9, 0.999, 1e-8


def strategy(config: StrategyConfig, arcs: int, reward: Reward, seed: int) -> Iterator[np.ndarray | None]:
    """Runs a strategy of the project, with the controller in a graph, as a search does but for the shared weights.

    Args:
      config: of the strategy.
      arcs: of an update.
      reward: returns the accuracy of a cell, int `[EDGES]`, percent; strategies get it as a fraction.
      seed: of weights and draws.
    """
    import tensorflow.compat.v1 as tf

    from enas.runs import session

    session.graph_mode()
    with tf.Graph().as_default() as graph:
        controller = table.build(ControllerConfig(), seed)
        built = strategies.build(config, controller, table.CHOICES)
        initialize = tf.global_variables_initializer()
    with session.open_session(graph) as running:
        running.run(initialize)
        while True:
            update = built.updates(running)
            steps = range(update * arcs, (update + 1) * arcs)
            found = built.propose(running, seed, PURPOSE, steps)
            rewards = np.array([reward(arc) / 100 for arc in found], np.float32)
            built.learn(running, seed, steps, rewards)
            yield _returned(built, running)


def _returned(built: Any, session: Any) -> np.ndarray | None:
    """The cell that a strategy would return: of the predictor the one of which it expects most, as a reward is noisy."""
    members = built.expected(session) if isinstance(built, PredictorSearch) else None
    return None if members is None else members[0][np.argmax(members[1])]


def reinforce_as_published(reward: Reward, seed: int) -> Iterator[np.ndarray | None]:
    """REINFORCE of one cell at a time on independent softmaxes, logits start near 0."""
    random = generator(seed, "published reinforce")
    logits = 1e-3 * random.normal(size=(table.EDGES, table.OPS))
    first, second = np.zeros_like(logits), np.zeros_like(logits)
    baseline, step = 0.0, 0
    while True:
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        cell = np.array([random.choice(table.OPS, p=row) for row in p])
        value = reward(cell)
        baseline = PUBLISHED_DECAY * baseline + (1 - PUBLISHED_DECAY) * value
        gradient = -(np.eye(table.OPS)[cell] - p) * (value - baseline)
        step += 1
        first = ADAM_BETA1 * first + (1 - ADAM_BETA1) * gradient
        second = ADAM_BETA2 * second + (1 - ADAM_BETA2) * gradient**2
        rate = PUBLISHED_LR * np.sqrt(1 - ADAM_BETA2**step) / (1 - ADAM_BETA1**step)
        logits = logits - rate * first / (np.sqrt(second) + ADAM_EPSILON)
        yield None


def tpe(reward: Reward, seed: int) -> Iterator[np.ndarray | None]:
    """Optuna's tree-structured Parzen estimator with its default settings, one query a step.

    Raises:
      UserError: Optuna is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise UserError("--optimizers=tpe: Optuna is not there: pip install optuna==5.0.0") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    while True:
        trial = study.ask()
        cell = [trial.suggest_categorical(f"edge_{edge}", range(table.OPS)) for edge in range(table.EDGES)]
        study.tell(trial, reward(np.array(cell)))
        yield None


OPTIMIZERS: dict[str, Callable[[Reward, int], Iterator[np.ndarray | None]]] = {
    "random": partial(strategy, StrategyConfig("random"), ARCS),
    "reinforce": partial(strategy, StrategyConfig("reinforce"), ARCS),
    "evolution": partial(strategy, StrategyConfig("evolution"), ARCS),
    "predictor": partial(strategy, StrategyConfig("predictor"), ARCS),
    "reinforce_published": reinforce_as_published,
    "evolution_published": partial(
        strategy, StrategyConfig("evolution", PUBLISHED_POPULATION, PUBLISHED_TOURNAMENT), 1
    ),
    "tpe": tpe,
}

"""A program that trains a child for some steps as one of several workers, and writes all variables after each step.

  python stepping.py --output=FILE.npz --steps=N --poisoned=STEP flags...

--poisoned is the step, from 0, before which worker 1 gets weights that overflow; -1: none. The other flags are
those of train_fixed_arc.py, or with --search those of a search, which trains the shared weights on its arcs.
"""

import sys

import numpy as np
from absl import flags as absl_flags

from enas import spaces
from enas.commands import cli
from enas.options import flags


def main() -> None:
    absl_flags.DEFINE_string("output", None, "")
    absl_flags.DEFINE_integer("steps", 3, "")
    absl_flags.DEFINE_integer("poisoned", -1, "")
    absl_flags.DEFINE_bool("search", False, "")
    absl_flags.DEFINE_integer("towers", 1, "")
    absl_flags.DEFINE_string("space", "micro", "")
    search = "--search" in sys.argv
    [name] = [flag.partition("=")[2] for flag in sys.argv if flag.startswith("--space=")] or ["micro"]
    space = spaces.get(name)
    settings = space.search_config if search else space.train_config
    flags.define(settings)
    given = absl_flags.FLAGS
    given(sys.argv)
    config = flags.parse_config(settings)
    cli.load_tensorflow(space)
    if given.towers > 1:
        _train_on_logical_devices(given.towers)
    variables = _trained(config, space, search, given.steps, given.poisoned)
    np.savez(
        given.output,
        **{f"{step}:{name}": value for step, found in enumerate(variables) for name, value in found.items()},
    )


def _train_on_logical_devices(count):
    """Gives each tower a CPU of TensorFlow's in the place of a GPU."""
    import tensorflow.compat.v1 as tf

    from enas.distributed import towers
    from enas.runs import session

    towers.devices = lambda _: [f"/cpu:{number}" for number in range(count)]
    session.open_session = lambda graph, _: tf.Session(graph=graph, config=tf.ConfigProto(device_count={"CPU": count}))


def _trained(config, space, search, steps, poisoned):
    import tensorflow.compat.v1 as tf

    from enas.distributed.workers import Workers
    from enas.options import arc_input
    from enas.runs import search as searches
    from enas.runs import session, train

    session.graph_mode()
    dataset = space.task.load(config)
    workers = Workers(config.workers)
    with tf.Graph().as_default() as graph, workers.device():
        if search:
            built = searches.build(config, space, dataset)
        else:
            built = train.build(config, arc_input.given(config, space), space, dataset)
        workers.build(1)
        initialize = tf.global_variables_initializer()
        everything = {variable.op.name: variable for variable in tf.global_variables()}
    found = []
    with workers.loss_told(), session.open_session(graph, workers) as sess:
        workers.opened(sess)
        sess.run(initialize)
        training = built.training
        training.start(sess)
        for step in range(steps):
            if step == poisoned and workers.index == 1:
                weights = next(v for name, v in everything.items() if name.startswith("child/stem"))
                weights.load(np.full(weights.shape.as_list(), 1e30, np.float32), sess)
            feeds = {training.rate: 0.05, **training.feeds(step)}
            if search:
                places = [built.arc, *training.more_arcs]
                first = step * training.replicas + workers.index * len(places)
                arcs = built.strategy.propose(sess, 0, "arc/child", range(first, first + len(places)))
                feeds |= dict(zip(places, arcs, strict=True))
            sess.run(training.update.op, feeds)
            workers.agree()
            found.append(sess.run(everything))
    return found


if __name__ == "__main__":
    main()

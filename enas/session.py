"""Sessions, checkpoints and TensorBoard events."""

import os

import tensorflow.compat.v1 as tf


def graph_mode():
    """Switches TensorFlow to what this project uses: graphs, sessions, resource variables, functional control flow."""
    tf.logging.set_verbosity(tf.logging.ERROR)
    tf.disable_v2_behavior()
    tf.enable_v2_tensorshape()
    tf.enable_control_flow_v2()
    tf.enable_resource_variables()
    # Remapping fuses batch norm and ReLU where it can; in training, oneDNN's fused kernel takes longer than the two.
    tf.config.optimizer.set_experimental_options({"remapping": False})


class Checkpoints:
    """The checkpoints of a run: each is the state at the end of an epoch.

    Args:
      run: the `RunDirectory`.
      name: prefix of the files, e.g. "last".
      keep: how many of them are kept.
    """

    def __init__(self, run, name, keep):
        self.prefix = run.file(os.path.join("checkpoints", name))
        self.state = f"{name}.index"
        self.saver = tf.train.Saver(max_to_keep=keep, save_relative_paths=True)

    def newest(self):
        """Path of the newest checkpoint, or None."""
        return tf.train.latest_checkpoint(os.path.dirname(self.prefix), self.state)

    def restore(self, session):
        """Restores the newest checkpoint; returns the number of epochs done, 0 where there is none."""
        path = self.newest()
        if path is None:
            return 0
        self.saver.recover_last_checkpoints(
            tf.train.get_checkpoint_state(os.path.dirname(path), self.state).all_model_checkpoint_paths
        )
        self.saver.restore(session, path)
        return int(path.rsplit("-", 1)[1])

    def save(self, session, epoch):
        """Saves the state after `epoch` epochs."""
        self.saver.save(session, self.prefix, epoch, latest_filename=self.state, write_meta_graph=False)


class Events:
    """Scalars for TensorBoard."""

    def __init__(self, run):
        self.writer = tf.summary.FileWriter(run.file("events"))

    def scalars(self, step, **values):
        """Writes `{tag: float}` at a step."""
        values = [tf.Summary.Value(tag=tag.replace("__", "/"), simple_value=value) for tag, value in values.items()]
        self.writer.add_summary(tf.Summary(value=values), step)
        self.writer.flush()

"""Batches that wait on the device that reads them. They are made on the CPU; a GPU gets the next ones while it computes."""

import tensorflow.compat.v1 as tf

_WAITING = 2  # batches, on each device


def target() -> str:
    """Returns the device that batches of this place in the graph are read on: that of `tf.device` around it, else the first
    GPU, else "", which is the CPU that makes them."""
    spec = tf.DeviceSpec.from_string(tf.no_op().device)
    if spec.device_type is None and tf.config.list_physical_devices("GPU"):
        spec = spec.replace(device_type="GPU", device_index=0)
    made_here = spec.device_type is None or (spec.device_type == "CPU" and not spec.device_index)
    return "" if made_here else spec.to_string()


def iterator(dataset: tf.data.Dataset, device: str) -> tf.data.Iterator:
    """Makes an iterator, with the initializer still to be run, whose batches lie on a device before they are asked for.

    Args:
      dataset: batches, made on the CPU. Whether a batch is copied does not change it.
      device: what `target` returned.
    """
    options = tf.data.Options()
    # There is nothing to tune, and the thread that tunes was once seen to keep a session from closing.
    options.autotune.enabled = False
    dataset = dataset.prefetch(_WAITING).with_options(options)
    if not device:
        return tf.data.make_initializable_iterator(dataset)
    # The CPU of the same process, where there are several.
    maker = tf.DeviceSpec.from_string(device).replace(device_type="CPU", device_index=0).to_string()
    copied = dataset.apply(tf.data.experimental.copy_to_device(device, maker))
    with tf.device(device):
        return tf.data.make_initializable_iterator(copied.prefetch(_WAITING))

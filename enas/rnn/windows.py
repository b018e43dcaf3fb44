"""A text cut into the windows that a language model is trained and scored on. Nothing here imports TensorFlow."""

import math

import numpy as np

from enas.errors import UserError


class Windows:
    """A text as parallel streams, cut into windows of T time steps. Each window goes on where the one before ended.

    Every token of the text is a target once, in the order of the text. The streams are equal parts of the text, one
    after the other. The input of a target is the token before it in the text, `<eos>` for the first token.

    Args:
      tokens: int32 `[L]`, token ids.
      eos: id of `<eos>`.
      streams: B, how many streams run in parallel.
      steps: T.
      whole: keep every token, in a shorter last window and with fillers of weight 0 at the end. Otherwise (for
        training) the tokens that do not fill a window are left out.

    Attributes:
      count: number of windows.
      streams: B.
    """

    def __init__(self, tokens: np.ndarray, eos: int, streams: int, steps: int, whole: bool) -> None:
        length = math.ceil(len(tokens) / streams) if whole else len(tokens) // streams
        inputs = np.concatenate([np.array([eos], np.int32), tokens[:-1]])
        self.inputs, self.targets, self.weights = (
            np.resize(np.pad(x, [0, max(0, streams * length - len(x))]), [streams, length])
            for x in (inputs, tokens, np.ones(len(tokens), np.float32))
        )
        self.streams, self.steps = streams, steps
        self.count = math.ceil(length / steps) if whole else length // steps

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns window `number`: (inputs, targets, weights), int32, int32 and float32 `[B, T]`."""
        cut = slice(number * self.steps, (number + 1) * self.steps)
        return self.inputs[:, cut], self.targets[:, cut], self.weights[:, cut]


def of_training(
    tokens: np.ndarray, eos: int, batch_size: int, bptt_steps: int, name: str = "training", workers: int = 1
) -> Windows:
    """Cuts the windows to train on.

    Args:
      batch_size: streams, those of all workers.
      name: of the text, for the error.
      workers: how many workers share the streams.

    Raises:
      UserError: the text is too short for a single window.
    """
    windows = Windows(tokens, eos, batch_size, bptt_steps, whole=False)
    if not windows.count:
        raise UserError(
            f"--batch_size={batch_size // workers} --child_bptt_steps={bptt_steps}: a window "
            + (f"of {workers} workers " if workers > 1 else "")
            + f"has {batch_size * bptt_steps:,} tokens, "
            f"more than the {len(tokens):,} there are for {name}"
        )
    return windows

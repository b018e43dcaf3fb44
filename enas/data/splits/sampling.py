"""Draws that keep every class's share."""

import numpy as np

from enas.errors import UserError


def stratified(
    labels: np.ndarray,
    count: int,
    class_names: tuple[str, ...],
    rng: np.random.Generator,
    flag: str,
    keep: int = 0,
) -> np.ndarray:
    """Draws `count` items so that each class keeps its share, to the nearest item, and is drawn at least once.

    Args:
      labels: int `[N]`, the items' classes.
      count: how many items to draw.
      class_names: one name for each class, for messages.
      rng: what draws.
      flag: the beginning of messages, e.g. "--num_valids=50".
      keep: how many items of every class must not be drawn. If it is 0, a class without items is skipped.

    Returns:
      int64 `[count]`, sorted indices.

    Raises:
      UserError: `count` is less than one for each class, or more than there are to draw.
    """
    sizes = np.bincount(labels, minlength=len(class_names))
    caps = np.maximum(sizes - keep, 0)
    for label in np.flatnonzero(caps < 1) if keep else ():
        raise UserError(
            f"{flag}: class {class_names[label]!r} has {sizes[label]} training images; "
            f"expected at least {keep + 1}, to split them"
        )
    least, most = np.count_nonzero(caps), caps.sum()
    if not least <= count <= most:
        raise UserError(
            f"{flag}: {count} of {len(labels)} images; expected {least} to {most}, that is one or more of each class"
            + (f" and {keep} left of each" if keep else "")
        )
    quota = _quotas(count, sizes, caps)
    drawn = [rng.permutation(np.flatnonzero(labels == label))[: quota[label]] for label in range(len(sizes))]
    return np.sort(np.concatenate(drawn))


def _quotas(count: int, sizes: np.ndarray, caps: np.ndarray) -> np.ndarray:
    """Returns how many to draw of each class, int64 `[classes]`. They add up to `count`."""
    exact = count * sizes / sizes.sum()
    low = np.minimum(caps, 1)
    quota = np.clip(np.floor(exact).astype(np.int64), low, caps)
    while quota.sum() < count:
        quota[np.argmax(np.where(quota < caps, exact - quota, -np.inf))] += 1
    while quota.sum() > count:
        quota[np.argmax(np.where(quota > low, quota - exact, -np.inf))] -= 1
    return quota

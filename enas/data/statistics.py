"""Mean and standard deviation of any number of images, computed exactly from counts of the 256 pixel values."""

import numpy as np


def level_counts(images: np.ndarray, chunk: int = 1024) -> np.ndarray:
    """Counts the pixel values of each channel, `chunk` images at a time.

    Args:
      images: uint8 `[N, H, W, C]`.

    Returns:
      int64 `[C, 256]`. Counts of parts of a set add up to those of the set.
    """
    counts = np.zeros((images.shape[-1], 256), np.int64)
    for start in range(0, len(images), chunk):
        block = images[start : start + chunk]
        for channel, row in enumerate(counts):
            row += np.bincount(block[..., channel].ravel(), minlength=256)
    return counts


def mean_std(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Computes the mean and standard deviation of pixel / 255 in each channel.

    Args:
      counts: int64 `[C, 256]`, from `level_counts`, of at least one pixel.

    Returns:
      (mean, std), each float32 `[C]`. std is at least 1/255, one grey level, so that a constant channel can be divided by
      it.
    """
    values = np.arange(256) / 255
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = share @ values
    variance = np.sum(share * (values - mean[:, None]) ** 2, axis=1)
    return mean.astype(np.float32), np.maximum(np.sqrt(variance), 1 / 255).astype(np.float32)

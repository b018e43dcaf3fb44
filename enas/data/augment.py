"""Augmented copies of training images, made once, before training starts."""

import cv2
import numpy as np
from tqdm import tqdm

from enas.randomness import generator

MAX_ZOOM = 1.2
MAX_ROTATION = 20.0  # degrees
CONTRAST = (0.7, 1.3)
MAX_BRIGHTNESS = 30.0  # grey levels out of 255
NOISE_STD = 8.0  # grey levels out of 255


def with_copies(images: np.ndarray, labels: np.ndarray, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Appends n - 1 augmented copies of every image.

    Args:
      images: uint8 `[N, H, W, C]`.
      labels: int32 `[N]`.
      n: how many images are made of each, the original included; at least 1.
      seed: the run's seed.

    Returns:
      (images, labels), uint8 `[n*N, H, W, C]` and int32 `[n*N]`. All originals come first, then all first copies, and so on.
    """
    if n == 1:
        return images, labels
    result = np.empty((n, *images.shape), np.uint8)
    for index, image in enumerate(tqdm(images, "augmenting", unit=" images", disable=None)):
        for copy in range(n):
            result[copy, index] = augmented(image, seed, index, copy)
    return result.reshape(-1, *images.shape[1:]), np.tile(labels, n)


def augmented(image: np.ndarray, seed: int, index: int, copy: int) -> np.ndarray:
    """Returns one augmented copy of an image.

    It is zoomed by up to 1.2, rotated by up to 20 degrees either way, changed in brightness and contrast, given Gaussian
    noise and, if it is a colour image, flipped left to right. Each of these happens with probability 1/2.

    Args:
      image: uint8 `[H, W, C]`, as is the copy.
      seed: the run's seed.
      index: the image's own number, at least 0. A copy depends on (seed, copy, index) and the image alone.
      copy: which copy, at least 0; 0 is the original itself.
    """
    if copy == 0:
        return image
    rng = generator(seed, f"augmented copy {copy}", index)
    height, width, channels = image.shape
    do_zoom, do_rotate, do_light, do_noise, do_flip = rng.random(5) < 0.5
    zoom, angle = rng.uniform(1.0, MAX_ZOOM), rng.uniform(-MAX_ROTATION, MAX_ROTATION)
    contrast, brightness = rng.uniform(*CONTRAST), rng.uniform(-MAX_BRIGHTNESS, MAX_BRIGHTNESS)
    if do_zoom or do_rotate:
        # One warp does both, because every interpolation blurs.
        centre = ((width - 1) / 2, (height - 1) / 2)
        matrix = cv2.getRotationMatrix2D(centre, angle if do_rotate else 0.0, zoom if do_zoom else 1.0)
        image = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
        image = image.reshape(height, width, channels)
    if do_flip and channels == 3:  # grey images are mostly characters, which a flip would change
        image = image[:, ::-1]
    if do_light or do_noise:
        values = image.astype(np.float32)
        if do_light:
            values = values * np.float32(contrast) + np.float32(brightness)
        if do_noise:
            values = values + np.float32(NOISE_STD) * rng.standard_normal(image.shape, np.float32)
        image = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return image

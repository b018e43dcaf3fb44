"""Options of the child network."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from enas.errors import UserError
from enas.options import option
from quantize.bits import BITS, FLOATING

SCHEMES = tuple(BITS)
# --child_recipe: the defaults it changes.
RECIPES = {"low_bit": {}, "published": {"child_latent_optimizer": "sgd"}}


def _first_recipe(stored: Mapping[str, Any]) -> str:
    """The recipe of a run that is older than --child_recipe; floats are the same under both."""
    names = (stored.get("child_scheme", "fp32"), *str(stored.get("search_precision", "")).split(","))
    return "low_bit" if set(names) <= {*FLOATING, ""} else "published"


@dataclasses.dataclass(frozen=True)
class ChildConfig:
    """What the children of all search spaces of images have in common, and how they are trained."""

    scheme: str = option("fp32", "Arithmetic of the child's convolutions.", choices=SCHEMES)
    quantize_ends: bool = option(
        False,
        "Run the stem and the classifier under --child_scheme too; by default they stay in "
        "float32, as usual for low-bit networks.",
    )
    keep_prob: float = option(
        0.9,
        "Probability of keeping a unit in the dropout before the classifier. ENAS authors: 0.9 in "
        "the search, 0.8 in the final training.",
        above=0.0,
        high=1.0,
    )
    loss: str = option(
        "cross_entropy",
        "Loss of the logits. hinge: squared hinge on one-hot ±1 targets, as BinaryNet (arXiv 1602.02830).",
        choices=("cross_entropy", "hinge"),
    )
    class_weights: str = option(
        "none",
        "balanced: an image's loss is weighted so that all classes count alike, however many training images each has.",
        choices=("none", "balanced"),
        prefixed=False,
    )
    lr_max: float = option(
        0.05,
        "Highest learning rate of the cosine schedule, or the constant one; 0.2 was better in trainings of few bits and "
        "some hundred steps (docs/low_bit.md, The rate). Paper: 0.05.",
        above=0.0,
        high=1000.0,
    )
    lr_min: float = option(
        0.0005,
        "Lowest learning rate of the cosine schedule. Paper: 0.001; ENAS authors' scripts: 0.0005, final training 0.0001.",
        0.0,
    )
    lr_T_0: int = option(10, "Epochs of the first cosine period (SGDR, arXiv 1608.03983). Paper: 10.", 1)
    lr_T_mul: int = option(2, "Factor by which each cosine period is longer than the last. Paper: 2.", 1)
    lr_cosine: bool = option(
        True, "Cosine learning rate with warm restarts; off: constant at --child_lr_max. Paper: on."
    )
    l2_reg: float = option(
        1e-4,
        "Weight decay: the loss gains this times the sum of squares of all trained weights. "
        "Paper: 1e-4; ENAS authors' final training: 2e-4.",
        0.0,
        1.0,
    )
    grad_bound: float = option(5.0, "Bound that --child_clip_mode clips gradients to. ENAS authors: 5.0.", above=0.0)
    clip_mode: str = option(
        "none",
        "global: scale all gradients so that their global norm is at most --child_grad_bound; "
        "norm: each variable's own norm; none. ENAS authors' presets: none.",
        choices=("none", "norm", "global"),
    )
    recipe: str = option(
        "low_bit",
        "How convolutions of few bits are built and trained. low_bit: each of them reads what its scheme has quantized; a "
        "shortcut of real values runs round each repeat of a convolution; the 1x1 convolutions between the ops have "
        "--child_glue_scheme; Adam trains latent weights. published: as in the papers; the 1x1 half of a separable "
        "convolution reads the sums of its depthwise half. Other flags that are given override the recipe's. Floats are the "
        "same under both. docs/low_bit.md has the measurements.",
        choices=tuple(RECIPES),
        before=_first_recipe,
    )
    glue_scheme: str = option(
        "auto",
        "Arithmetic of the glue: the 1x1 convolutions that combine loose ends or outputs, fit inputs, and reduce. auto: k8 "
        "under --child_recipe=low_bit where --child_scheme quantizes, else --child_scheme.",
        choices=("auto", *SCHEMES),
    )
    latent_optimizer: str = option(
        "adam",
        "Optimizer of latent weights, those that are quantized. adam: Adam, whose moments and step count stand still "
        "while a row of a shared bank is not used, without weight decay; sgd: Nesterov momentum, as of all other weights. "
        "--child_recipe=published: sgd.",
        choices=("adam", "sgd"),
    )
    latent_lr: float = option(
        0.02,
        "Adam's highest learning rate for latent weights; it follows the schedule of --child_lr_max.",
        above=0.0,
        high=10.0,
    )
    loss_scale: str = option(
        "dynamic",
        "Loss scale where fp16 is among the schemes: a number, or dynamic (halved at an overflow, "
        "doubled after 2,000 good steps; Mixed Precision Training, arXiv 1710.03740, section 3.2). "
        "Without fp16 nothing is scaled.",
        prefixed=False,
    )

    @property
    def glue(self) -> str:
        """The scheme of the 1x1 convolutions between the ops."""
        if self.glue_scheme != "auto":
            return self.glue_scheme
        return "k8" if self.recipe == "low_bit" and self.scheme not in FLOATING else self.scheme

    @property
    def op_schemes(self) -> tuple[str, ...]:
        """The schemes that ops may compute under."""
        return (self.scheme,)

    @property
    def schemes(self) -> tuple[str, ...]:
        """All schemes the child may compute under."""
        return (self.scheme, *self.op_schemes, self.glue)

    @property
    def low_bit(self) -> bool:
        """Whether the child has convolutions of few bits that are so all through; see --child_recipe."""
        return self.recipe == "low_bit" and not set(self.op_schemes) <= set(FLOATING)

    def __post_init__(self):
        number = re.fullmatch(r"[0-9]{1,20}(\.[0-9]{1,20})?(e\+?[0-9]{1,2})?", self.loss_scale, re.ASCII)
        if self.loss_scale != "dynamic" and not (number and 1 <= float(self.loss_scale) <= 1e9):
            raise UserError(f"--loss_scale={self.loss_scale}: expected a number from 1 to 1e9, or dynamic")
        default = type(self).__dataclass_fields__["latent_lr"].default
        if self.latent_optimizer == "sgd" and self.latent_lr != default:
            raise UserError(
                f"--child_latent_lr={self.latent_lr}: is Adam's, but --child_latent_optimizer is sgd; leave one of them out"
            )

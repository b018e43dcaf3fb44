"""Options of the child network."""

import dataclasses
import re

from enas.errors import UserError
from enas.options import option
from quantize.bits import BITS

SCHEMES = tuple(BITS)


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
    lr_max: float = option(
        0.05, "Highest learning rate of the cosine schedule, or the constant one. Paper: 0.05.", above=0.0, high=1000.0
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
    loss_scale: str = option(
        "dynamic",
        "Loss scale where fp16 is among the schemes: a number, or dynamic (halved at an overflow, "
        "doubled after 2,000 good steps; Mixed Precision Training, arXiv 1710.03740, section 3.2). "
        "Without fp16 nothing is scaled.",
        prefixed=False,
    )

    @property
    def schemes(self) -> tuple[str, ...]:
        """All schemes the child may compute under."""
        return (self.scheme,)

    def __post_init__(self):
        number = re.fullmatch(r"[0-9]{1,20}(\.[0-9]{1,20})?(e\+?[0-9]{1,2})?", self.loss_scale, re.ASCII)
        if self.loss_scale != "dynamic" and not (number and 1 <= float(self.loss_scale) <= 1e9):
            raise UserError(f"--loss_scale={self.loss_scale}: expected a number from 1 to 1e9, or dynamic")

"""Configurations: frozen values, each field with its default, allowed range, unit and help text.

Flags (`enas/flags.py`), `config.json` and the range checks are all made from these fields, so a setting has one name,
one default and one explanation. Nothing here imports TensorFlow.
"""

import dataclasses
import json
import re

from enas.errors import UserError

DATASETS = ("digits", "mnist", "fashion_mnist", "cifar10", "folder")
# Scheme: bits of a weight and of an activation.
SCHEME_BITS = {"fp32": 32, "fp16": 16, "binary": 1, "ternary": 2, **{f"k{bits}": bits for bits in range(1, 9)}}
SCHEMES = tuple(SCHEME_BITS)


def option(default, help, low=None, high=None, choices=None, above=None, flexible=False, prefixed=True):
    """Returns a dataclass field.

    Args:
      default: its value when no flag is given; gives the flag its type.
      help: what it does, its unit, and the published value where a paper or the ENAS authors' code has one.
      low, high: inclusive numeric range. above: exclusive lower bound.
      choices: the allowed values.
      flexible: True when a resumed run may change it.
      prefixed: False where the flag lacks its section's prefix.
    """
    meta = {
        "help": help,
        "low": low,
        "high": high,
        "above": above,
        "choices": choices,
        "flexible": flexible,
        "prefixed": prefixed,
    }
    return dataclasses.field(default=default, metadata={**meta, "kind": type(default)})


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Where images come from and how they are cut, resized and augmented."""

    dataset: str = option("digits", "Data set. digits: scikit-learn's 1,797 handwritten digits.", choices=DATASETS)
    data_dir: str = option("", "Folder that holds the data set's files. Default: data/<dataset>; digits needs none.")
    img_size: int = option(
        0, "Height and width images are resized to, pixels. 0: the data set's own; 32 for folder.", 0, 1024
    )
    channel: int = option(
        0, "Image channels: 1 grey, 3 colour. 0: the data set's own (3 for folder).", choices=(0, 1, 3)
    )
    num_valids: int = option(
        -1,
        "Validation images split off the training set. -1: 5,000 for mnist, fashion_mnist and "
        "cifar10 (the ENAS authors' number), else by --valid_fraction.",
        -1,
    )
    valid_fraction: float = option(
        0.1,
        "Share of the training images split off for validation where neither "
        "--num_valids nor a valid/ folder says otherwise.",
        above=0.0,
        high=0.9,
    )
    max_train_images: int = option(
        0, "Keep at most this many training images, stratified by class, by seed. 0: all.", 0
    )
    max_valid_images: int = option(0, "Keep at most this many validation images (see --max_train_images). 0: all.", 0)
    max_test_images: int = option(0, "Keep at most this many test images (see --max_train_images). 0: all.", 0)
    n_aug_img: int = option(
        1,
        "Copies of every training image: the original and n-1 augmented ones (zoom, rotation, "
        "brightness and contrast, noise, flip for colour). 1: no copies. OpenCV port: 3.",
        1,
        100,
    )
    augment: bool = option(
        True,
        "Pad by 4, crop and flip colour training images at random at every use, as the ENAS "
        "authors do on CIFAR-10. Grey images are left alone.",
    )
    cutout_size: int = option(
        0,
        "Side of the square erased from every training image, pixels (Cutout, arXiv "
        "1708.04552). 0: none. ENAS authors' final CIFAR-10 training: 16.",
        0,
        1024,
    )


@dataclasses.dataclass(frozen=True)
class ChildConfig:
    """The child network and how it is trained."""

    scheme: str = option("fp32", "Arithmetic of the child's convolutions.", choices=SCHEMES)
    quantize_ends: bool = option(
        False,
        "Run the stem and the classifier under --child_scheme too; by default they stay in "
        "float32, as usual for low-bit networks.",
    )
    num_layers: int = option(
        6,
        "Normal cells; two reduction cells come on top, at 1/3 and 2/3 of the depth. Paper: 6 in "
        "the search, 15 in the final training.",
        2,
        100,
    )
    num_cells: int = option(
        5, "Nodes a cell computes (the arc has 4 integers for each, for each of the two cells). Paper: 5.", 1, 12
    )
    out_filters: int = option(
        20,
        "Filters of the first cells; doubled by each reduction cell. Paper: 20 in the search, "
        "36 in the final training.",
        2,
        1024,
    )
    keep_prob: float = option(
        0.9,
        "Probability of keeping a unit in the dropout before the classifier. Paper: 0.9 in "
        "the search, 0.8 in the final training.",
        above=0.0,
        high=1.0,
    )
    drop_path_keep_prob: float = option(
        0.6,
        "Probability of keeping a path, reached at the last layer and the last step "
        "(drop path, arXiv 1605.07648; schedule of NASNet, arXiv 1707.07012). ENAS authors: 0.6.",
        above=0.0,
        high=1.0,
    )
    use_aux_heads: bool = option(
        False, "Add an auxiliary classifier, weight 0.4, after the second reduction cell. ENAS authors: on."
    )
    loss: str = option(
        "cross_entropy",
        "Loss of the logits. hinge: squared hinge on one-hot ±1 targets, as BinaryNet (arXiv 1602.02830).",
        choices=("cross_entropy", "hinge"),
    )
    lr_max: float = option(
        0.05, "Highest learning rate of the cosine schedule, or the constant one. Paper: 0.05.", above=0.0
    )
    lr_min: float = option(
        0.0005, "Lowest learning rate of the cosine schedule. Paper: 0.0005; final training 0.0001.", 0.0
    )
    lr_T_0: int = option(10, "Epochs of the first cosine period (SGDR, arXiv 1608.03983). Paper: 10.", 1)
    lr_T_mul: int = option(2, "Factor by which each cosine period is longer than the last. Paper: 2.", 1)
    lr_cosine: bool = option(
        True, "Cosine learning rate with warm restarts; off: constant at --child_lr_max. Paper: on."
    )
    l2_reg: float = option(
        1e-4,
        "Weight decay: the loss gains this times the sum of squares of all trained weights. "
        "Paper: 1e-4 in the search, 2e-4 in the final training.",
        0.0,
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
        "Loss scale of --child_scheme=fp16: a number, or dynamic (halved at an overflow, "
        "doubled after 2,000 good steps; Mixed Precision Training, arXiv 1710.03740, section 3.2). "
        "Other schemes do not scale.",
        prefixed=False,
    )

    def __post_init__(self):
        if self.loss_scale != "dynamic" and not re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", self.loss_scale, re.ASCII):
            raise UserError(f"--loss_scale={self.loss_scale}: expected a number from 1 to 1e9, or dynamic")
        if self.loss_scale != "dynamic" and float(self.loss_scale) < 1:
            raise UserError(f"--loss_scale={self.loss_scale}: expected at least 1")


@dataclasses.dataclass(frozen=True)
class ControllerConfig:
    """The LSTM controller and its REINFORCE updates."""

    lr: float = option(0.0035, "Adam's learning rate. Paper: 0.0035.", above=0.0)
    train_steps: int = option(30, "Controller updates in one controller phase. ENAS authors: 30.", 1)
    train_every: int = option(1, "Epochs between controller phases. ENAS authors: 1.", 1)
    num_aggregate: int = option(10, "Arcs sampled for one update; their gradients are averaged. ENAS authors: 10.", 1)
    batch_size: int = option(
        0, "Validation images that one reward is measured on. 0: --batch_size, as the ENAS authors.", 0
    )
    entropy_weight: float = option(
        1e-4, "Weight of the sampling entropy, nats, in the controller's loss. Paper: 1e-4.", 0.0
    )
    tanh_constant: float = option(
        1.10,
        "Logits become this times tanh(logits) (arXiv 1611.09940); 0: off. Paper: 1.10 in "
        "the micro search, 2.5 elsewhere.",
        0.0,
    )
    op_tanh_reduce: float = option(
        2.5, "The tanh constant of op logits is divided by this. ENAS authors: 2.5.", above=0.0
    )
    temperature: float = option(
        1.0,
        "Logits are divided by this before the tanh. ENAS authors: none in the micro search "
        "(1.0); paper: 5.0 elsewhere.",
        above=0.0,
    )
    bl_dec: float = option(
        0.99, "Decay of the reward baseline's moving average, per update. ENAS authors: 0.99.", 0.0, 1.0
    )
    op_prior: str = option("none", "Comma-separated fixed logits added to the op logits, one for each op, or none.")
    lstm_size: int = option(64, "Hidden units of the LSTM. ENAS authors: 64 (paper: 100).", 1, 4096)


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """One run: its directory, length, logging and seed."""

    output_dir: str = option("outputs", "The run directory. An existing run in it is resumed.", flexible=True)
    reset_output_dir: bool = option(
        False, "Delete --output_dir first; refused unless it is a run of this project.", flexible=True
    )
    batch_size: int = option(
        32, "Training images a step. ENAS authors: 160 in the search, 144 in the final training.", 2
    )
    num_epochs: int = option(
        10, "Epochs to train in all. ENAS authors: 150 in the search, 630 in the final training.", 1, flexible=True
    )
    log_every: int = option(50, "Child steps between log lines. ENAS authors: 50.", 1, flexible=True)
    eval_every_epochs: int = option(
        1, "Epochs between evaluations on the whole validation and test sets. ENAS authors: 1.", 1, flexible=True
    )
    seed: int = option(
        0, "Seed of every random draw: the same seed gives the same run, bit for bit on the CPU.", 0, 2**31 - 1
    )


@dataclasses.dataclass(frozen=True)
class ScoreConfig:
    """How the arcs sampled after a controller phase are scored."""

    eval_arc_batches: int = option(
        0,
        "Validation batches each of the 10 arcs sampled after a controller phase is scored "
        "on, the same images for all. 0: the whole validation set.",
        0,
    )


@dataclasses.dataclass(frozen=True)
class FixedArcConfig:
    """Which arc is trained from scratch."""

    child_fixed_arc: str = option(
        "", "The arc: 40 integers (for 5 nodes a cell), normal cell first, each node as index_1 op_1 index_2 op_2."
    )
    arc_file: str = option("", "File that holds the arc, e.g. a search's best_arc.txt. Use this or --child_fixed_arc.")
    eval_only: bool = option(
        False, "Evaluate the best checkpoint stored in --output_dir instead of training.", flexible=True
    )


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """Everything `search_micro.py` needs."""

    data: DataConfig = DataConfig()
    child: ChildConfig = ChildConfig()
    controller: ControllerConfig = ControllerConfig()
    score: ScoreConfig = ScoreConfig()
    run: RunConfig = RunConfig()


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Everything `train_fixed_arc.py` needs."""

    data: DataConfig = DataConfig()
    child: ChildConfig = ChildConfig()
    arc: FixedArcConfig = FixedArcConfig()
    run: RunConfig = RunConfig()


_PREFIXES = {"child": "child_", "controller": "controller_"}


def options(config_class):
    """Yields (flag name, section name, dataclass field) for every option of a config class."""
    for section in dataclasses.fields(config_class):
        for field in dataclasses.fields(section.type):
            prefix = _PREFIXES.get(section.name, "") if field.metadata["prefixed"] else ""
            yield prefix + field.name, section.name, field


def from_values(config_class, values):
    """Builds a config from `{flag name: value}`; missing flags keep their defaults.

    Raises:
      UserError: a value of the wrong type, out of its range or not among its choices.
    """
    sections = {section.name: {} for section in dataclasses.fields(config_class)}
    for name, section, field in options(config_class):
        if name in values:
            sections[section][field.name] = _checked(name, values[name], field)
    types = {section.name: section.type for section in dataclasses.fields(config_class)}
    return config_class(**{name: types[name](**fields) for name, fields in sections.items()})


def to_values(config):
    """Returns `{flag name: value}` of every option of a config."""
    return {name: getattr(getattr(config, section), field.name) for name, section, field in options(type(config))}


def _checked(name, value, field):
    meta = field.metadata
    kind = meta["kind"]
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise UserError(f"--{name}={value!r}: expected {kind.__name__}")
    if meta["choices"] and value not in meta["choices"]:
        raise UserError(f"--{name}={value}: expected one of {', '.join(map(str, meta['choices']))}")
    for bound, bad, words in (
        ("low", lambda low: not value >= low, "at least"),
        ("above", lambda low: not value > low, "more than"),
        ("high", lambda high: not value <= high, "at most"),
    ):
        if meta[bound] is not None and bad(meta[bound]):
            raise UserError(f"--{name}={value}: expected {words} {meta[bound]}")
    if kind is float and value in (float("inf"), float("-inf")):
        raise UserError(f"--{name}={value}: expected a finite number")
    return value


def differences(config, stored):
    """Names the flags in which `stored` (a dict, as in config.json) differs and that a resumed run may not change."""
    values = to_values(config)
    fixed = {name for name, _, field in options(type(config)) if not field.metadata["flexible"]}
    return [name for name in values if name in fixed and stored.get(name) != values[name]]


def dumps(config):
    """Returns the config as JSON text, one flag a line."""
    return json.dumps(to_values(config), indent=2)

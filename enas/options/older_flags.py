"""The flags of older codebases, and what they are called here. `docs/coming_from.md` is made from this table, and so are the
errors that answer an older command line. Nothing here imports TensorFlow.

The codebases are the ENAS authors' (github.com/melodyguan/enas), its port to class folders
(github.com/MINGUKKANG/ENAS-Tensorflow) and the ports made from that one, and NNabla's (github.com/sony/nnabla-examples).
"""

from collections.abc import Sequence
from typing import NamedTuple


class OlderFlag(NamedTuple):
    """A flag that has another name here, or none.

    Attributes:
      name: its name there, without dashes in front and with underscores in the place of others.
      codebases: which have it: "ENAS", "class folders", "NNabla".
      here: what to write here.
    """

    name: str
    codebases: str
    here: str


_ENAS, _PORTS, _NNABLA = "ENAS, class folders", "class folders", "NNabla"
_ONE_LAYOUT = "leave it out: NHWC, the layout that is fastest here"
_ONE_DEVICE = "leave it out: --worker_hosts says which processes train together"
_SCHEDULE = "leave it out: the rate is --child_lr_max, and falls by --child_lr_cosine (to retrain: --space=rnn has it)"
_OPS = "leave it out: it follows from --child_op_table (micro); the macro space has six ops"
_NEVER = "leave it out: it had no effect"
_RNN = "of the recurrent space alone (to retrain: --space=rnn)"
_MICRO, _MACRO, _SEARCH = "of the micro space alone", "of the macro space alone", "of a search alone"

TABLE = (
    OlderFlag(
        "search_for", _ENAS, "another program: search_micro.py, search_macro.py or search_rnn.py (to retrain: --space)"
    ),
    OlderFlag("data_path", "ENAS", "--data_dir, with --dataset=cifar10 (or --dataset=ptb)"),
    OlderFlag("data_format", _ENAS, _ONE_LAYOUT),
    OlderFlag("data_source", _PORTS, "--dataset"),
    OlderFlag(
        "num_gpus",
        _PORTS,
        "leave it out: a process of the recurrent space trains on one device, and --worker_hosts joins several (elsewhere "
        "it is --num_gpus)",
    ),
    OlderFlag("child_cutout_size", _ENAS, "--cutout_size"),
    OlderFlag("child_lr", _ENAS, "--child_lr_max, with --nochild_lr_cosine where the rate was constant"),
    OlderFlag("child_lr_dec_every", _ENAS, _SCHEDULE),
    OlderFlag("child_lr_dec_rate", _ENAS, _SCHEDULE),
    OlderFlag("child_filter_size", _ENAS, "leave it out: an op of the arc has its own kernel size"),
    OlderFlag("child_num_branches", _ENAS, _OPS),
    OlderFlag("child_out_filters_scale", _ENAS, "leave it out: multiply --child_out_filters"),
    OlderFlag("child_block_size", _ENAS, _NEVER),
    OlderFlag("child_skip_pattern", "ENAS", "leave it out: write the skip bits of --child_fixed_arc"),
    *(
        OlderFlag(name, _ENAS, _ONE_DEVICE)
        for name in ("child_sync_replicas", "child_num_replicas", "child_num_aggregate")
    ),
    *(OlderFlag(name, _ENAS, _ONE_DEVICE) for name in ("controller_sync_replicas", "controller_num_replicas")),
    OlderFlag(
        "controller_training", _ENAS, "another program: search_*.py trains the controller, train_fixed_arc.py does not"
    ),
    OlderFlag("controller_use_critic", _ENAS, _NEVER),
    OlderFlag("controller_forwards_limit", _ENAS, _NEVER),
    OlderFlag("controller_keep_prob", _ENAS, _NEVER),
    OlderFlag("controller_lr_dec_rate", _ENAS, "leave it out: the controller's rate is constant"),
    OlderFlag("controller_l2_reg", _ENAS, "leave it out: the controller has no weight decay"),
    OlderFlag("controller_skip_rate", "ENAS", _NEVER),
    *(
        OlderFlag(name, _ENAS, _MICRO)
        for name in ("child_num_cells", "child_use_aux_heads", "child_drop_path_keep_prob")
    ),
    OlderFlag("controller_op_tanh_reduce", _ENAS, f"{_MICRO}, and {_SEARCH}"),
    *(
        OlderFlag(name, _ENAS, f"{_MACRO}, and {_SEARCH}")
        for name in ("controller_skip_target", "controller_skip_weight")
    ),
    OlderFlag("controller_search_whole_channels", _ENAS, _MACRO),
    *(
        OlderFlag(f"controller_{name}", _ENAS, _SEARCH)
        for name in (
            *("lr", "bl_dec", "tanh_constant", "temperature", "entropy_weight", "num_aggregate", "train_steps"),
            "train_every",
        )
    ),
    OlderFlag("child_fixed_arc", _ENAS, "another program: train_fixed_arc.py --child_fixed_arc"),
    OlderFlag("child_base_number", "ENAS", _NEVER),
    *(
        OlderFlag(f"child_{name}", "ENAS", _NEVER)
        for name in ("lstm_l_skip", "avg_pool_size", "optim_algo", "temperature")
    ),
    OlderFlag("child_optim_moving_average", "ENAS", "--child_average_start"),
    *(
        OlderFlag(f"child_lr_warmup_{name}", "ENAS", "leave it out: no warm-up of the rate")
        for name in ("val", "steps")
    ),
    OlderFlag("child_num_cell_layers", "ENAS", _NEVER),
    OlderFlag("child_lstm_e_skip", "ENAS", _NEVER),
    OlderFlag("controller_selection_threshold", "ENAS", _NEVER),
    OlderFlag("child_num_layers", "ENAS", "leave it out of the recurrent space: its child is one layer"),
    *(
        OlderFlag(f"child_{name}", "ENAS", _RNN)
        for name in (
            *("rhn_depth", "bptt_steps", "lstm_hidden_size", "lstm_e_keep", "lstm_x_keep", "lstm_h_keep"),
            *("lstm_o_keep", "lr_dec_start", "lr_dec_min", "rnn_l2_reg", "rnn_slowness_reg"),
        )
    ),
    OlderFlag("child_reset_train_states", "ENAS", "leave it out: states go on to the end of the text"),
    OlderFlag("child_log_filename", _PORTS, "leave it out: the log is stdout in --output_dir"),
    OlderFlag("controller_log_filename", _PORTS, "leave it out: the log is stdout in --output_dir"),
    OlderFlag("context", _NNABLA, "leave it out: a GPU is used where there is one"),
    OlderFlag("device_id", _NNABLA, "the environment variable CUDA_VISIBLE_DEVICES"),
    OlderFlag("type_config", _NNABLA, "--child_scheme: half is fp16, float is fp32"),
    OlderFlag("recommended_arch", _NNABLA, f"{_SEARCH} (to retrain: --arc_file)"),
    OlderFlag("max_search_iter", _NNABLA, "--num_epochs"),
    OlderFlag("num_candidate", _NNABLA, "--controller_num_aggregate"),
    OlderFlag("early_stop_over", _NNABLA, _SEARCH),
    OlderFlag("lstm_size", _NNABLA, "--controller_lstm_size"),
    OlderFlag("state_size", _NNABLA, "leave it out: it is --controller_lstm_size"),
    OlderFlag("lstm_layers", _NNABLA, "leave it out: the controller's LSTM has one layer"),
    OlderFlag("skip_prob", _NNABLA, "--controller_skip_target"),
    OlderFlag("skip_weight", _NNABLA, "--controller_skip_weight"),
    OlderFlag("entropy_weight", _NNABLA, "--controller_entropy_weight"),
    OlderFlag("temperature", _NNABLA, "--controller_temperature"),
    OlderFlag("tanh_constant", _NNABLA, "--controller_tanh_constant"),
    OlderFlag("op_tanh_reduce", _NNABLA, "--controller_op_tanh_reduce"),
    OlderFlag("baseline_decay", _NNABLA, "--controller_bl_dec"),
    OlderFlag("num_ops", _NNABLA, _OPS),
    OlderFlag("control_lr", _NNABLA, "--controller_lr"),
    OlderFlag("select_strategy", _NNABLA, _SEARCH),
    OlderFlag("use_variance_reduction", _NNABLA, "--controller_baseline"),
    OlderFlag("sampling_only", _NNABLA, _SEARCH),
    OlderFlag("num_sampling", _NNABLA, _SEARCH),
    OlderFlag("use_sparse", _NNABLA, _NEVER),
    OlderFlag("num_layers", _NNABLA, "--child_num_layers"),
    OlderFlag("num_cells", _NNABLA, "--child_num_layers, two less: it does not count the reduction cells"),
    OlderFlag("num_nodes", _NNABLA, "--child_num_cells, two less: it does not count a cell's inputs"),
    OlderFlag("output_filter", _NNABLA, "--child_out_filters"),
    OlderFlag("additional_filters_on_retrain", _NNABLA, "another program: train_fixed_arc.py has it"),
    OlderFlag("epoch_per_search", _NNABLA, "leave it out: shared weights are trained all along, not for each arc"),
    OlderFlag("epoch_on_retrain", _NNABLA, "--num_epochs of train_fixed_arc.py"),
    *(
        OlderFlag(f"with_grad_clip_on_{name}", _NNABLA, "--child_clip_mode=norm, or none")
        for name in ("search", "retrain")
    ),
    OlderFlag("grad_clip_value", _NNABLA, "--child_grad_bound"),
    OlderFlag("weight_decay", _NNABLA, "--child_l2_reg"),
    *(OlderFlag(f"lr_control_on_{name}", _NNABLA, "--child_lr_cosine") for name in ("search", "retrain")),
    OlderFlag("val_iter", _NNABLA, "--eval_arc_batches"),
    OlderFlag("monitor_path", _NNABLA, "--output_dir"),
    OlderFlag("model_save_path", _NNABLA, "--output_dir"),
    OlderFlag("model_save_interval", _NNABLA, "--checkpoint_every_minutes"),
)
_BY_NAME = {flag.name: flag for flag in TABLE}


def told(unknown: Sequence[str]) -> str | None:
    """Returns what to write in the place of older flags, as one line; None if none of them is one.

    Args:
      unknown: the flags, without dashes in front, that a program has not; others than older flags are named as unknown.
    """
    found = [_BY_NAME.get(_canonical(name)) for name in unknown]
    if not any(found):
        return None
    words = [f"--{name}: {flag.here if flag else 'unknown'}" for name, flag in zip(unknown, found, strict=True)]
    return f"{'; '.join(words)} (see docs/coming_from.md)"


def _canonical(name: str) -> str:
    name = name.replace("-", "_")
    return name if name in _BY_NAME else name.removeprefix("no")


def table() -> str:
    """Returns the rows of docs/coming_from.md, in Markdown."""
    rows = [f"| `--{flag.name}` | {flag.codebases} | {_marked(flag.here)} |" for flag in TABLE]
    return "\n".join(["| there | in | here |", "| --- | --- | --- |", *rows]) + "\n"


def _marked(here: str) -> str:
    """Marks flags and programs as code."""
    parts = [(word, word.rstrip(",;:)")) for word in here.split()]
    return " ".join(f"`{code}`{word[len(code) :]}" if _is_code(code) else word for word, code in parts)


def _is_code(word: str) -> bool:
    return word.startswith("--") or ".py" in word or word.isupper() and "_" in word

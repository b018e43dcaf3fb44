"""What answers the command lines of older codebases."""

import re
from pathlib import Path

import pytest
from mains import error

from enas import spaces
from enas.options import config, older_flags

ROOT = Path(__file__).resolve().parents[2]
KINDS = [kind for space in map(spaces.get, spaces.names()) for kind in (space.search_config, space.train_config)]
FLAGS = {name for kind in KINDS for name, _, _ in config.options(kind)} | {"space", "arc_file"}
# The command line of the ENAS authors' scripts/cifar10_micro_search.sh.
AUTHORS = [
    *(
        "--data_format=NCHW",
        "--search_for=micro",
        "--reset_output_dir",
        "--data_path=data/cifar10",
        "--output_dir=outputs",
    ),
    *("--batch_size=160", "--num_epochs=150", "--log_every=50", "--eval_every_epochs=1", "--child_use_aux_heads"),
    *("--child_num_layers=6", "--child_out_filters=20", "--child_l2_reg=1e-4", "--child_num_branches=5"),
    *("--child_num_cells=5", "--child_keep_prob=0.90", "--child_drop_path_keep_prob=0.60", "--child_lr_cosine"),
    *(
        "--child_lr_max=0.05",
        "--child_lr_min=0.0005",
        "--child_lr_T_0=10",
        "--child_lr_T_mul=2",
        "--controller_training",
    ),
    *("--controller_search_whole_channels", "--controller_entropy_weight=0.0001", "--controller_train_every=1"),
    *("--controller_sync_replicas", "--controller_num_aggregate=10", "--controller_train_steps=30"),
    *("--controller_lr=0.0035", "--controller_tanh_constant=1.10", "--controller_op_tanh_reduce=2.5"),
]


def test_the_page_holds_the_table_that_the_errors_are_made_from():
    assert (ROOT / "docs" / "coming_from.md").read_text().endswith("\n\n" + older_flags.table())


def test_what_a_flag_is_called_here_is_a_flag_here():
    names = [flag.name for flag in older_flags.TABLE]
    assert len(names) == len(set(names))
    for flag in older_flags.TABLE:
        for named in re.findall(r"--(\w+)", flag.here):
            assert {named, named.removeprefix("no")} & FLAGS, (flag, named)


def test_the_authors_own_command_line_gets_one_line_that_names_every_flag_it_has_to_change():
    line = error("search_micro.py", *AUTHORS)
    told = dict(part.split(": ", 1) for part in line.removeprefix("error: ").split(" (see")[0].split("; --"))
    assert {name.removeprefix("--") for name in told} == {
        *("data_format", "search_for", "data_path", "child_num_branches", "controller_training"),
        *("controller_search_whole_channels", "controller_sync_replicas"),
    }
    assert "--data_path: --data_dir, with --dataset=cifar10" in line and line.endswith("(see docs/coming_from.md)")


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--use_sparse=2", "--nonsense"], ["--use_sparse: leave it out", "--nonsense: unknown"]),
        (["--nochild_sync_replicas"], ["--nochild_sync_replicas: leave it out"]),
        (
            ["--output-filter", "36", "--num-nodes=7"],
            ["--output-filter: --child_out_filters", "--num-nodes: --child_num_cells"],
        ),
        (["--child_fixed_arc=0 1"], ["--child_fixed_arc: another program: train_fixed_arc.py"]),
        (["--nonsense"], ["Unknown command line flag 'nonsense'", "(see --help)"]),
    ],
)
def test_a_flag_of_another_codebase_is_told_by_name(flags, words):
    line = error("search_micro.py", *flags)
    assert all(word in line for word in words), line


@pytest.mark.parametrize(
    "main, flags",
    [
        ("macro", ["child_num_cell_layers", "child_use_aux_heads", "controller_op_tanh_reduce"]),
        ("rnn", ["search_for", "child_num_layers", "nochild_lstm_e_skip", "controller_sync_replicas"]),
        ("micro", ["child_rhn_depth", "child_lstm_hidden_size", "controller_selection_threshold", "child_lr_dec_min"]),
    ],
)
def test_every_flag_of_the_authors_other_scripts_is_told_where_a_program_has_it_not(main, flags):
    assert not {flag.removeprefix("no") for flag in flags} & {
        name for name, _, _ in config.options(spaces.get(main).search_config)
    }
    assert "unknown" not in older_flags.told(flags)

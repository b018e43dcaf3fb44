"""The presets of the recurrent space: every flag exists, and the authors' presets are what they published."""

import pytest
from absl import flags as absl_flags
from copied_scripts import Copy

from enas.options import config as configs
from enas.options import flags
from enas.rnn import config

ARC = "0 0 0 1 1 2 1 2 0 2 0 5 1 1 0 6 1 8 1 8 1 8 1"
# github.com/melodyguan/enas, scripts/ptb_search.sh and ptb_final.sh.
PUBLISHED = {
    "search": {
        "batch_size": 20,
        "num_epochs": 100,
        "log_every": 50,
        "eval_every_epochs": 1,
        "child_bptt_steps": 35,
        "child_rhn_depth": 12,
        "child_lstm_hidden_size": 720,
        "child_lstm_e_keep": 0.75,
        "child_lstm_x_keep": 0.25,
        "child_lstm_h_keep": 0.75,
        "child_lstm_o_keep": 0.25,
        "child_grad_bound": 10.0,
        "child_lr": 0.25,
        "child_lr_dec_start": 12,
        "child_lr_dec_every": 1,
        "child_lr_dec_rate": 0.95,
        "child_lr_dec_min": 0.0005,
        "child_l2_reg": 1e-7,
        "controller_train_every": 1,
        "controller_lr": 0.001,
        "controller_train_steps": 100,
        "controller_num_aggregate": 10,
        "controller_tanh_constant": 2.5,
        "controller_temperature": 5.0,
        "controller_entropy_weight": 0.001,
    },
    "final": {
        "batch_size": 64,
        "num_epochs": 2000,
        "log_every": 50,
        "eval_every_epochs": 1,
        "child_fixed_arc": ARC,
        "child_bptt_steps": 35,
        "child_lstm_hidden_size": 748,
        "child_lstm_e_keep": 0.79,
        "child_lstm_x_keep": 0.25,
        "child_lstm_h_keep": 0.75,
        "child_lstm_o_keep": 0.24,
        "child_grad_bound": 0.25,
        "child_lr": 20.0,
        "child_lr_dec_start": 14,
        "child_lr_dec_every": 1,
        "child_lr_dec_rate": 0.9991,
        "child_lr_dec_min": 0.001,
        "child_rnn_slowness_reg": 1e-3,
        "child_l2_reg": 5e-7,
    },
}


@pytest.fixture
def copy(tmp_path):
    return Copy(tmp_path)


def values_of(copy, name, *arguments):
    """The flags that a preset gives, all of them checked."""
    done = copy.run(name, *arguments)
    assert done.returncode == 0, done.stderr
    [(main, command)] = copy.commands()
    kind = config.SearchConfig if "search" in name else config.TrainConfig
    if kind is config.TrainConfig:
        assert command[0] == "--space=rnn" or command[1] == "--space=rnn"
    assert main == ("search_rnn.py" if "search" in name else "train_fixed_arc.py")
    known = absl_flags.FlagValues()
    flags.define(kind, known)
    assert known([main, *(word for word in command if word != "--space=rnn")]) == [main]
    everything = configs.to_values(flags.parse_config(kind, known))
    return {flag: value for flag, value in everything.items() if known[flag].present}


@pytest.mark.parametrize("data", ["pydoc", "ptb"])
@pytest.mark.parametrize("kind", ["search", "final"])
def test_every_flag_of_a_preset_exists_and_flags_given_to_it_win(copy, kind, data):
    values = values_of(copy, f"rnn_{kind}_{data}.sh", "--child_lr=7", "--output_dir=with space")
    assert (values["dataset"], values["child_lr"], values["output_dir"]) == (data, 7.0, "with space")


@pytest.mark.parametrize("kind", ["search", "final"])
def test_the_ptb_presets_are_the_published_settings(copy, kind):
    values = values_of(copy, f"rnn_{kind}_ptb.sh")
    assert values.pop("dataset") == "ptb"
    assert values.pop("data_dir") == str(copy.root / "data" / "ptb")
    assert values.pop("output_dir") == str(copy.root / "outputs" / f"rnn_{kind}_ptb")
    assert values == PUBLISHED[kind]


def test_the_small_presets_fit_together(copy):
    values = values_of(copy, "rnn_final_pydoc.sh")
    assert values["arc_file"] == str(copy.root / "outputs" / "rnn_search_pydoc" / "best_arc.txt")
    copy.record.unlink()
    search = values_of(copy, "rnn_search_pydoc.sh")
    assert search["child_rhn_depth"] == values["child_rhn_depth"]


@pytest.mark.parametrize("given", ["--baseline=lstm", "--arc_file=a b", f"--fixed_arc={ARC}"])
def test_what_is_given_to_a_final_preset_is_trained_in_the_place_of_its_arc(copy, given):
    values = values_of(copy, "rnn_final_pydoc.sh", given)
    chosen = {name for name in ("baseline", "arc_file", "child_fixed_arc") if name in values}
    assert len(chosen) == 1 and list(chosen)[0].endswith(given.split("=")[0].removeprefix("--"))

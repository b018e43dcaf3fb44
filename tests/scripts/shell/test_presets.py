"""The presets, run from a copy of the repository's scripts whose .venv holds a stand-in for Python."""

import published_arcs
import pytest
from copied_scripts import ROOT, parsed

from enas.micro import arc
from enas.micro.config import PRESETS as CONTROLLER_PRESETS
from enas.micro.config import SearchConfig
from enas.options import config

PRESETS = sorted((ROOT / "scripts" / "presets").glob("m[ai]cro_*.sh"))
ARC = "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"

# github.com/melodyguan/enas, scripts/cifar10_micro_search.sh and cifar10_micro_final.sh; of the search without learning
# rate and tanh constants of the controller, which are the project's own.
PUBLISHED_SEARCH = {
    "batch_size": 160,
    "num_epochs": 150,
    "log_every": 50,
    "eval_every_epochs": 1,
    "child_use_aux_heads": True,
    "child_num_layers": 6,
    "child_out_filters": 20,
    "child_l2_reg": 1e-4,
    "child_num_cells": 5,
    "child_keep_prob": 0.9,
    "child_drop_path_keep_prob": 0.6,
    "child_lr_cosine": True,
    "child_lr_max": 0.05,
    "child_lr_min": 0.0005,
    "child_lr_T_0": 10,
    "child_lr_T_mul": 2,
    "controller_entropy_weight": 1e-4,
    "controller_train_every": 1,
    "controller_num_aggregate": 10,
    "controller_train_steps": 30,
}
PUBLISHED_FINAL = {
    "batch_size": 144,
    "num_epochs": 630,
    "log_every": 50,
    "eval_every_epochs": 1,
    "child_fixed_arc": ARC,
    "child_use_aux_heads": True,
    "cutout_size": 16,
    "child_num_layers": 15,
    "child_out_filters": 36,
    "child_keep_prob": 0.8,
    "child_drop_path_keep_prob": 0.6,
    "child_l2_reg": 2e-4,
    "child_lr_cosine": True,
    "child_lr_max": 0.05,
    "child_lr_min": 0.0001,
    "child_lr_T_0": 10,
    "child_lr_T_mul": 2,
}

# The same, scripts/cifar10_macro_search.sh and cifar10_macro_final.sh, less what the authors' macro network does not read.
PUBLISHED_MACRO_SEARCH = {
    "batch_size": 128,
    "num_epochs": 310,
    "log_every": 50,
    "eval_every_epochs": 1,
    "child_num_layers": 12,
    "child_out_filters": 36,
    "child_double_filters": False,
    "child_l2_reg": 0.00025,
    "child_keep_prob": 0.9,
    "child_lr_cosine": True,
    "child_lr_max": 0.05,
    "child_lr_min": 0.0005,
    "child_lr_T_0": 10,
    "child_lr_T_mul": 2,
    "controller_search_whole_channels": True,
    "controller_entropy_weight": 1e-4,
    "controller_train_every": 1,
    "controller_num_aggregate": 20,
    "controller_train_steps": 50,
    "controller_lr": 0.001,
    "controller_tanh_constant": 1.5,
    "controller_skip_target": 0.4,
    "controller_skip_weight": 0.8,
}
PUBLISHED_MACRO_FINAL = {
    "batch_size": 100,
    "num_epochs": 310,
    "log_every": 50,
    "eval_every_epochs": 1,
    "child_fixed_arc": " ".join(published_arcs.MACRO),
    "child_out_filters": 96,
    "child_double_filters": True,
    "child_l2_reg": 2e-4,
    "child_keep_prob": 0.5,
    "child_lr_cosine": True,
    "child_lr_max": 0.05,
    "child_lr_min": 0.001,
    "child_lr_T_0": 10,
    "child_lr_T_mul": 2,
}


def preset_values(copy, name, *arguments):
    done = copy.run(name, *arguments)
    assert done.returncode == 0, done.stderr
    [(main, command)] = copy.commands()
    space = name.split("_")[0]
    assert main == (f"search_{space}.py" if "search" in name else "train_fixed_arc.py")
    return parsed(main, command)[0]


def test_there_is_a_search_and_a_final_preset_for_each_data_set():
    sets = {"macro": ("cifar10", "digits"), "micro": ("cifar10", "digits", "mnist")}
    names = [f"{space}_{kind}_{data}.sh" for space in sets for kind in ("final", "search") for data in sets[space]]
    assert [path.name for path in PRESETS] == names


@pytest.mark.parametrize("name", [path.name for path in PRESETS])
def test_every_flag_of_a_preset_exists_and_is_in_its_range(copy, name):
    values = preset_values(copy, name)
    stem = name.removesuffix(".sh")
    assert values["dataset"] == stem.rsplit("_", 1)[1]
    assert values["output_dir"] == str(copy.root / "outputs" / stem)
    assert values.get("data_dir") in (None, str(copy.root / "data" / values["dataset"]))
    assert values["child_scheme"] == ("fp32" if "cifar10" in name else "k4")
    assert f"outputs/{stem}" in " ".join((ROOT / "scripts" / name).read_text().split("set -euo")[0].split())


@pytest.mark.parametrize("name", [path.name for path in PRESETS])
def test_flags_given_to_a_preset_win(copy, name):
    values = preset_values(copy, name, "--child_scheme=binary", "--num_epochs", "3", "--output_dir=with space")
    assert (values["child_scheme"], values["num_epochs"], values["output_dir"]) == ("binary", 3, "with space")


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("micro_search_cifar10.sh", PUBLISHED_SEARCH),
        ("micro_final_cifar10.sh", PUBLISHED_FINAL),
        ("macro_search_cifar10.sh", PUBLISHED_MACRO_SEARCH),
        ("macro_final_cifar10.sh", PUBLISHED_MACRO_FINAL),
    ],
)
def test_the_cifar10_presets_are_the_published_settings(copy, name, published):
    values = preset_values(copy, name)
    for ours in ("dataset", "data_dir", "output_dir", "child_scheme"):
        values.pop(ours)
    assert values == published


@pytest.mark.parametrize("given, preset", [((), "none"), (("--controller_preset=authors",), "authors")])
def test_the_micro_presets_controller_is_the_projects_or_the_authors_as_a_whole(copy, given, preset):
    """No mixture of both: what else the project's controller has was measured with its own rate and bounds."""
    assert copy.run("micro_search_cifar10.sh", *given).returncode == 0
    [(main, command)] = copy.commands()
    defaults = config.to_values(SearchConfig()) | CONTROLLER_PRESETS[preset]
    found = parsed(main, command)[1]
    assert {name: found[name] for name in CONTROLLER_PRESETS["authors"]} == {
        name: defaults[name] for name in CONTROLLER_PRESETS["authors"]
    }


def test_the_published_arc_is_a_valid_one():
    assert str(arc.parse(ARC, num_cells=5)) == ARC


FINAL_PRESETS = [path.name for path in PRESETS if "_final_" in path.name]


@pytest.mark.parametrize("name", [name for name in FINAL_PRESETS if "cifar10" not in name])
def test_a_final_preset_trains_the_search_presets_best_arc(copy, name):
    values = preset_values(copy, name)
    search = name.removesuffix(".sh").replace("_final_", "_search_")
    assert values["arc_file"] == str(copy.root / "outputs" / search / "best_arc.txt")
    assert "child_fixed_arc" not in values


@pytest.mark.parametrize("name", FINAL_PRESETS)
@pytest.mark.parametrize(
    "given", [["--arc_file=a b"], ["--arc_file", "a b"], ["-arc_file=a b"], [f"--child_fixed_arc={ARC[::-1]}"]]
)
def test_an_arc_given_to_a_final_preset_is_the_only_one(copy, name, given):
    values = preset_values(copy, name, "--num_epochs=2", *given)
    expected = {"arc_file": "a b"} if "arc_file" in given[0] else {"child_fixed_arc": ARC[::-1]}
    assert {name: values[name] for name in ("arc_file", "child_fixed_arc") if name in values} == expected


def test_the_other_name_of_the_arc_flag_counts_as_an_arc(copy):
    assert preset_values(copy, "micro_final_cifar10.sh", "--fixed_arc=1 2 3")["child_fixed_arc"] == "1 2 3"

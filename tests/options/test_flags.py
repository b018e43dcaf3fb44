import re
import subprocess
import sys
from pathlib import Path

import pytest
from absl import flags as absl_flags

from enas.errors import UserError
from enas.micro import config as micro_config
from enas.options import config, flags

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = (micro_config.SearchConfig, micro_config.TrainConfig)


def parsed(cls, *arguments):
    values = absl_flags.FlagValues()
    flags.define(cls, values)
    values(["program", *arguments])
    return flags.parse_config(cls, values)


@pytest.mark.parametrize("cls", CONFIGS)
def test_without_flags_the_config_is_the_default_one(cls):
    assert parsed(cls) == cls()


@pytest.mark.parametrize("cls", CONFIGS)
def test_every_option_is_a_flag_with_its_range_in_the_help(cls):
    values = absl_flags.FlagValues()
    flags.define(cls, values)
    for name, _, field in config.options(cls):
        text = values[name].help
        assert field.metadata["help"] in text
        for bound in ("low", "above", "high"):
            if field.metadata[bound] is not None:
                assert str(field.metadata[bound]) in text.removeprefix(field.metadata["help"])
        for choice in field.metadata["choices"] or ():
            assert str(choice) in text


def test_flags_of_each_kind_reach_their_field():
    arguments = ["--child_scheme=k4", "--noaugment", "--seed", "7", "--num_valids=-1", "--child_lr_max=1e-2"]
    found = parsed(micro_config.SearchConfig, *arguments)
    assert (found.child.scheme, found.data.augment, found.run.seed) == ("k4", False, 7)
    assert (found.data.num_valids, found.child.lr_max) == (-1, 0.01)


def test_a_preset_changes_defaults_and_flags_that_are_given_win():
    preset = micro_config.PRESETS["authors"]
    found = config.to_values(
        parsed(micro_config.SearchConfig, "--controller_preset=authors", "--controller_decision_bias=3")
    )
    assert {name: found[name] for name in preset} == {**preset, "controller_decision_bias": 3.0}


@pytest.mark.parametrize("name", ["fixed_arc", "child_fixed_arc"])
def test_the_arc_has_two_flag_names(name):
    found = parsed(micro_config.TrainConfig, f"--{name}=0 1 0 1")
    assert config.to_values(found)["child_fixed_arc"] == "0 1 0 1"


def test_a_search_has_no_arc_flag():
    with pytest.raises(absl_flags.UnrecognizedFlagError):
        parsed(micro_config.SearchConfig, "--fixed_arc=0")


@pytest.mark.parametrize(
    "argument, message",
    [
        ("--channel=2", "--channel=2: expected one of 0, 1, 3"),
        ("--controller_op_prior=1,2", "--controller_op_prior=1,2: expected none or 5 numbers separated by commas"),
        (
            "--controller_op_prior=1,2,3,4,nan",
            "--controller_op_prior=1,2,3,4,nan: expected none or 5 numbers separated by commas",
        ),
        ("--seed=-1", "--seed=-1: expected at least 0"),
        ("--child_keep_prob=nan", "--child_keep_prob=nan: expected more than 0.0"),
        ("--child_num_cells=13", "--child_num_cells=13: expected at most 12"),
    ],
)
def test_ranges_are_checked(argument, message):
    with pytest.raises(UserError) as error:
        parsed(micro_config.SearchConfig, argument)
    assert str(error.value) == message


# A main as the project's are, run as a program of its own because absl's flags belong to the process.
PROGRAM = '''"""What the program does."""
import contextlib, io, os, signal, sys, time
from types import SimpleNamespace
from enas import errors, signals
from enas.commands import cli
from enas.options import flags
from enas.micro import config as micro_config
flags.define(micro_config.TrainConfig)

def main(arguments):
    cli.no_arguments(arguments)
    found = flags.parse_config(micro_config.TrainConfig)
    if found.run.seed == 1:
        raise errors.UserError("two\\n lines")
    if found.run.seed == 2:
        raise KeyboardInterrupt
    if found.run.seed == 3:
        raise ZeroDivisionError("a bug")
    if found.run.seed == 4:
        return 7
    if found.run.seed == 6:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    if found.run.seed in (9, 10):
        stopped = signals.Stopped(signal.SIGTERM)
        with contextlib.redirect_stdout(io.StringIO() if found.run.seed == 10 else sys.stdout):
            stopped.tell(SimpleNamespace(log=print), "and told")
        raise stopped
    if found.run.seed == 8:
        open("/dev/full", "w").write(10000 * "x")
    assert "tensorflow" not in sys.modules
    print("seed", found.run.seed)

cli.run(main)
'''


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("program") / "program.py"
    path.write_text(PROGRAM)

    def run(*arguments):
        command = [sys.executable, str(path), *arguments]
        return subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}, timeout=60)

    run.path = path
    return run


def test_a_good_command_line_runs_main(program):
    done = program("--seed=5")
    assert (done.returncode, done.stdout, done.stderr) == (0, "seed 5\n", "")


@pytest.mark.parametrize(
    "argument, words",
    [
        ("--chid_scheme=k4", ["chid_scheme", "Did you mean: child_scheme"]),
        ("--zzzz", ["zzzz"]),
        ("--num_epochs=ten", ["--num_epochs=ten", "expected an integer"]),
        ("--num_epochs=3.5", ["--num_epochs=3.5", "expected an integer"]),
        ("--num_epochs=a: b", ["--num_epochs=a: b", "expected an integer"]),
        ("--num_epochs=0", ["--num_epochs=0", "expected at least 1"]),
        ("--num_epochs", ["num_epochs", "Missing value"]),
        ("--child_lr_max=fast", ["--child_lr_max=fast", "expected a number"]),
        ("--augment=maybe", ["--augment=maybe", "expected true or false"]),
        ("--child_scheme=k9", ["--child_scheme=k9", "expected one of fp32, fp16, binary, ternary, k1", "k8"]),
        ("stray", ["unexpected argument 'stray'"]),
        ("-1", ["-1", "negative numbers"]),
        ("--flagfile=/no/such", ["Unable to open flagfile", "/no/such"]),
        ("--seed=1", ["error: two lines"]),
    ],
)
def test_a_users_mistake_is_one_line_and_code_2(program, argument, words):
    done = program(argument)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert all(word in done.stderr for word in words), done.stderr


@pytest.mark.parametrize(
    "command, message",
    [
        ("scripts/experiments/pareto_sweep.py --final_epochs=0", "--final_epochs=0: expected at least 1"),
        ("scripts/experiments/pareto_sweep.py --num_seeds=0", "--num_seeds=0: expected at least 1"),
        (
            "scripts/experiments/planted_problem.py --num_updates=3",
            "--num_updates=3: expected an integer, 20 to 1000000",
        ),
        ("visualize_micro.py --img_size=x 0", "--img_size=x: expected one number or HEIGHTxWIDTH"),
        ("scripts/bench.py --image_size=7", "--image_size=7: expected at least 8"),
        (
            "scripts/fuzzing/soak.py kills --kills=0 --output_dir=x",
            "argument --kills: 0: expected a whole number, 1 to 1000000000",
        ),
        (
            "scripts/fuzzing/soak.py kills --minutes=nan --output_dir=x",
            "argument --minutes: nan: expected a number, 0.0 to 1000000.0",
        ),
        ("scripts/fuzzing/fuzz.py --inputs=-5", "argument --inputs: -5: expected a whole number, 1 to 1000000000"),
        (
            "search_micro.py --child_recipe=published --child_latent_lr=0.1",
            "--child_latent_lr=0.1: is Adam's, but --child_latent_optimizer is sgd; leave one of them out",
        ),
        (
            "scripts/experiments/make_image_folder.py --out=x --quality=101",
            "argument --quality: 101: expected a whole number, 1 to 100",
        ),
        (
            "scripts/experiments/measure_images.py --data_dir=x --batch_size=1",
            "argument --batch_size: 1: expected a whole number, 2 to",
        ),
    ],
)
def test_scripts_check_what_they_are_given_before_anything_else(command, message):
    command = [sys.executable, *command.split()]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {message}") and done.stderr.count("\n") == 1
    assert not (ROOT / "x").exists()


def test_signals_bugs_and_exit_codes_end_a_main_as_they_should(program):
    done = program("--seed=2")
    assert (done.returncode, done.stderr) == (130, "interrupted; run the same command again to go on\n")
    done = program("--seed=3")
    assert done.returncode == 1 and "Traceback" in done.stderr and "ZeroDivisionError: a bug" in done.stderr
    assert program("--seed=4").returncode == 7
    done = program("--seed=6")
    assert (done.returncode, done.stderr) == (143, "interrupted; run the same command again to go on\n")


def test_a_run_that_told_how_to_go_on_is_not_told_twice(program):
    done = program("--seed=9")
    assert (done.returncode, done.stdout, done.stderr) == (143, "stopped by SIGTERM and told\n", "")
    done = program("--seed=10")  # in another one's log, which the terminal does not show
    assert (done.returncode, done.stdout) == (143, "")
    assert done.stderr == "interrupted; run the same command again to go on\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux's device that is always full")
def test_a_full_disk_is_one_line(program):
    """Behind a file, and behind what stdout goes to."""
    done = program("--seed=8")
    assert done.returncode == 2
    assert re.fullmatch(
        "error: .*: can't be written: No space left on device; make room and run it again\n", done.stderr
    )
    with open("/dev/full", "w") as full:
        command = [sys.executable, str(program.path), "--seed=5"]
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, env={"PYTHONPATH": str(ROOT)}, timeout=60
        )
    assert done.returncode == 2
    assert done.stderr == "error: stdout: can't be written: No space left on device; make room and run it again\n"


@pytest.mark.parametrize("flag", ["--help", "--helpshort", "--helpfull"])
def test_help_lists_the_flags(program, flag):
    done = program(flag)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("What the program does.")
    # Ours first; absl's own logging flags at most after them.
    assert "absl" not in done.stdout.partition("--valid_fraction")[0]
    words = " ".join(done.stdout.split())
    for name, _, field in config.options(micro_config.TrainConfig):
        assert f"--{name}:" in words or f"--[no]{name}:" in words
        # absl breaks long lines, within words at hyphens too.
        assert field.metadata["help"].replace(" ", "") in words.replace(" ", "")


def test_a_reader_that_leaves_early_is_no_error(program):
    command = f"set -o pipefail; '{sys.executable}' '{program.path}' --helpfull | true"
    for _ in range(3):
        done = subprocess.run(
            ["bash", "-c", command],
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(ROOT), "PATH": "/bin:/usr/bin"},
        )
        assert done.stderr == ""
        assert done.returncode in (0, 141)

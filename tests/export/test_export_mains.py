"""export_child.py and predict.py as a user runs them."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mains
import pytest
from absl import flags as absl_flags

from enas.commands import export_child, predict
from enas.data.readers import formats
from enas.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def exported(run_directory, tmp_path_factory):
    """The packed file of the trained child, and what the main printed."""
    folder = tmp_path_factory.mktemp("exported")
    printed = mains.done(
        "export_child.py", f"--output_dir={run_directory}", "--format=packed", f"--output={folder}/child.packed"
    )
    return folder / "child.packed", printed


def test_an_export_prints_what_it_was_checked_by_and_leaves_one_file(exported):
    path, printed = exported
    assert os.listdir(path.parent) == ["child.packed"]
    assert f"{path.stat().st_size:,} bytes" in printed
    assert int(re.search(r"images: (\d+)", printed)[1]) >= 1000
    for words in ("largest logit difference: ", "equal classes: ", "accuracy: TensorFlow 0."):
        assert words in printed


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--output="], "--output='': expected the name of a file"),
        (["--output=README.md"], "--output=README.md: is there already"),
        (["--output=no/such/folder/x"], "no such folder"),
        (["--output=new", "--output_dir=tests"], "--output_dir=tests: expected a training run"),
        (["--output=new", "--format=zip"], "--format=zip: expected one of packed, onnx"),
    ],
)
def test_wrong_flags_of_an_export_get_one_line(flags, words):
    assert words in mains.error("export_child.py", *flags)


def run_in_process(monkeypatch, module, arguments, **values):
    """Runs a main's function with flags that were parsed."""
    found = absl_flags.FlagValues()
    for name, value in values.items():
        define = {str: absl_flags.DEFINE_string, int: absl_flags.DEFINE_integer, bool: absl_flags.DEFINE_bool}[
            type(value)
        ]
        define(name, value, "", flag_values=found)
    found.mark_as_parsed()
    monkeypatch.setattr(module, "FLAGS", found)
    return module._main(arguments)


def test_a_mismatch_is_an_error_and_leaves_nothing_behind(run_directory, tmp_path, monkeypatch):
    from enas.export import verify

    right = verify._run
    monkeypatch.setattr(verify, "_run", lambda *arguments: right(*arguments)[::-1])
    with pytest.raises(UserError, match="computes something else"):
        run_in_process(
            monkeypatch,
            export_child,
            [],
            output_dir=str(run_directory),
            format="packed",
            output=str(tmp_path / "child.packed"),
        )
    assert os.listdir(tmp_path) == []


def test_the_run_stays_as_it_is(run_directory, exported):
    before = (run_directory / "stdout").read_text()
    assert exported[0].exists() and (run_directory / "stdout").read_text() == before
    assert not any(name.startswith(".export") for name in os.listdir(run_directory))


def predicted(monkeypatch, capsys, *arguments, top=1, as_json=False, model):
    code = run_in_process(monkeypatch, predict, [str(a) for a in arguments], model=str(model), top=top, json=as_json)
    out, err = capsys.readouterr()
    return code, out.splitlines(), err.splitlines()


def test_the_help_names_every_format_of_images():
    words = " ".join(predict.run.__doc__.split())
    assert all(name in words for name in re.split(", | or ", formats.WANTED))


def test_a_folder_of_images_is_classified(exported, pictures, monkeypatch, capsys):
    code, lines, errors = predicted(monkeypatch, capsys, pictures, model=exported[0])
    rows = [line.split("\t") for line in lines]
    assert code == 0 and len(rows) == 12
    assert [row[0] for row in rows] == sorted(str(path) for path in pictures.rglob("*.png"))
    right = [Path(file).name[0] == found for file, found, _ in rows]
    assert sum(right) >= 10
    assert all(0 < float(share) <= 1 for *_, share in rows)
    assert len(errors) == 1 and "left out 1 files that are not .png" in errors[0]


def test_json_has_the_top_classes_with_falling_probabilities(exported, pictures, monkeypatch, capsys):
    file = pictures / "0_00.png"
    _, [line], _ = predicted(monkeypatch, capsys, file, model=exported[0], top=3, as_json=True)
    found = json.loads(line)
    shares = [entry["probability"] for entry in found["classes"]]
    assert found["file"] == str(file) and len(shares) == 3 and shares == sorted(shares, reverse=True)
    assert found["classes"][0]["class"] == "0"


def test_an_unreadable_image_gets_a_line_and_the_rest_goes_on(exported, pictures, tmp_path, monkeypatch, capsys):
    (tmp_path / "bad.png").write_bytes(b"no image")
    (tmp_path / "empty").mkdir()
    paths = tmp_path / "bad.png", tmp_path / "missing.png", tmp_path / "empty", pictures / "1_01.png"
    code, lines, errors = predicted(monkeypatch, capsys, *paths, model=exported[0])
    assert code == 1 and len(lines) == 1
    assert [error.split(": ")[1] for error in errors[:3]] == [str(path) for path in paths[:3]]
    assert "begins like no image" in errors[0] and "No such file" in errors[1] and "no images" in errors[2]
    assert errors[3] == "3 could not be read"


def test_a_run_directory_predicts_as_its_exported_file(exported, run_directory, pictures, monkeypatch, capsys):
    _, from_file, _ = predicted(monkeypatch, capsys, pictures, model=exported[0], top=10)
    _, from_run, _ = predicted(monkeypatch, capsys, pictures, model=run_directory, top=10)
    assert from_file == from_run


@pytest.mark.parametrize("content", [b"\x89ENASQ\r\n" + bytes(60), b"something else"])
def test_a_damaged_model_gets_one_line(content, tmp_path, pictures, monkeypatch, capsys):
    (tmp_path / "model").write_bytes(content)
    with pytest.raises(UserError, match="^--model=.*model: (a packed network of version 0|expected the directory)"):
        predicted(monkeypatch, capsys, pictures, model=tmp_path / "model")


MEASURED = """
import re, runpy, sys
sys.argv[0] = "predict.py"
try:
    runpy.run_path("predict.py", run_name="__main__")
except SystemExit as ended:
    assert not ended.code, ended.code
assert "tensorflow" not in sys.modules
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1], file=sys.stderr)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the system has no /proc to read memory from")
def test_a_packed_file_predicts_without_tensorflow_in_under_a_second_and_100_megabytes(exported, pictures):
    command = [sys.executable, "-c", MEASURED, f"--model={exported[0]}", str(pictures / "3_03.png")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stderr.splitlines()[-1]) <= 100 * 1024
    times = []
    for _ in range(3):
        start = os.times()
        subprocess.run(command, capture_output=True, cwd=ROOT, env=environment, check=True)
        end = os.times()
        # Processor time: the machine may be busy with other things.
        times.append(end.children_user + end.children_system - start.children_user - start.children_system)
    assert min(times) < 1.0


def test_a_model_that_is_copied_predicts_elsewhere(exported, tmp_path, pictures):
    shutil.copy(exported[0], tmp_path / "copy")
    printed = subprocess.run(
        [sys.executable, str(ROOT / "predict.py"), f"--model={tmp_path}/copy", str(pictures / "4_04.png")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    ).stdout
    assert printed.split("\t")[:2] == [str(pictures / "4_04.png"), "4"]

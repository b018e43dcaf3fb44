"""The quickstart, run from a copy of the repository's scripts whose .venv holds a stand-in for Python."""

import re
import subprocess

import pytest
from copied_scripts import parsed


def test_the_quickstart_searches_then_trains_what_it_found_then_draws_it(copy, tmp_path):
    done = copy.run("quickstart.sh", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    out = copy.root / "outputs" / "quickstart-1"
    (search, search_flags), (train, train_flags), (draw, draw_flags) = copy.commands()
    found, _ = parsed(search, search_flags)
    assert found["output_dir"] == str(out / "search")
    trained, _ = parsed(train, train_flags)
    assert trained["arc_file"] == str(out / "search" / "best_arc.txt")
    assert trained["output_dir"] == str(out / "final")
    for values in (found, trained):
        assert (values["dataset"], values["child_scheme"]) == ("digits", "k4")
    assert draw == "visualize_micro.py"
    assert draw_flags == [
        f"--arc_file={out}/search/best_arc.txt",
        "--child_scheme=k4",
        f"--output_dir={out}/cells",
    ]
    assert "98.77%" in done.stdout and str(out) in done.stdout


def test_the_commands_the_quickstart_suggests_can_be_pasted(copy):
    suggested = re.findall(r"^    (\S.*)$", copy.run("quickstart.sh").stdout, re.MULTILINE)
    assert len(suggested) >= 5
    for command in suggested:
        assert subprocess.run(["bash", "-n", "-c", command], capture_output=True).returncode == 0
    copy.record.unlink()
    subprocess.run(["bash", "-c", suggested[0]], cwd="/", check=True)
    [(main, arguments)] = copy.commands()
    assert parsed(main, arguments)[0] == {
        "eval_only": True,
        "output_dir": str(copy.root / "outputs" / "quickstart-1" / "final"),
    }


def test_the_quickstart_takes_the_next_free_number(copy):
    outputs = copy.root / "outputs"
    (outputs / "quickstart-1").mkdir(parents=True)
    (outputs / "quickstart-1" / "kept").write_text("results")
    (outputs / "quickstart-2").write_text("a file")
    (outputs / "quickstart-3").symlink_to("nowhere")
    for expected in ("quickstart-4", "quickstart-5"):
        before = {path: path.stat().st_mtime_ns for path in outputs.rglob("*") if path.exists()}
        done = copy.run("quickstart.sh")
        assert done.returncode == 0, done.stderr
        assert (outputs / expected / "final" / "results.json").exists()
        assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [path.name for path in (outputs / "quickstart-1").iterdir()] == ["kept"]


def test_quickstarts_at_the_same_time_get_directories_of_their_own(copy):
    command = ["bash", copy.root / "scripts" / "quickstart.sh"]
    runs = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(4)]
    assert [run.wait() for run in runs] == [0] * 4
    assert {path.name for path in (copy.root / "outputs").iterdir()} == {f"quickstart-{n}" for n in range(1, 5)}
    folders = [a for _, rest in copy.commands() for a in rest if a.startswith("--output_dir=")]
    assert len(set(folders)) == len(folders) == 12


@pytest.mark.parametrize("main", ["search_micro.py", "train_fixed_arc.py", "visualize_micro.py"])
def test_the_quickstart_fails_at_once_if_a_step_fails(copy, main):
    done = copy.run("quickstart.sh", FAIL=main)
    assert done.returncode == 3
    assert copy.commands()[-1][0] == main
    assert "the quickstart failed" in done.stderr and "accuracy" not in done.stdout


def test_the_quickstart_takes_no_arguments(copy):
    done = copy.run("quickstart.sh", "--num_epochs=3")
    assert done.returncode == 1 and "unexpected argument '--num_epochs=3'" in done.stderr
    assert not (copy.root / "outputs").exists()

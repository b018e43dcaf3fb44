"""How the kernels are compiled, kept and chosen, in processes of their own."""

import concurrent.futures
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from runtime_cases import F

from quantize.runtime import build, kernels

ROOT = Path(__file__).resolve().parents[2]
RUN = """
import numpy as np
from quantize.runtime import kernels
run = kernels.get()
assert (run.max_pool(np.ones((1, 3, 3, 2), np.float32)) == 1).all()
print(run.level)
"""
# Ends the process where something other than the standard library, NumPy and the runtime is imported.
IMPORTS = """
import sys
before = set(sys.modules)
from quantize.runtime import kernels, packing
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(new - set(sys.stdlib_module_names) - {"numpy", "quantize"}))
"""


def start(code, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
    )


def output(process):
    """What a process printed, and what it warned of."""
    printed, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return printed.strip(), errors


def a_compiler(folder, script):
    """A program that can be named as the compiler."""
    path = folder / "compiler"
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def quick(tmp_path):
    """The environment of a process that compiles, with a cache of its own, but without the optimisations that take long."""
    return {"QUANTIZE_RUNTIME_CACHE": tmp_path / "cache", "CC": a_compiler(tmp_path, 'exec cc "$@" -O1')}


def test_the_runtime_imports_numpy_and_the_standard_library_only():
    assert output(start(IMPORTS))[0] == "[]"


def test_processes_that_compile_at_once_leave_one_library_that_all_can_use(tmp_path, quick):
    processes = [start(RUN, **quick) for _ in range(2)]
    levels = {output(process)[0] for process in processes}
    assert levels == {kernels.levels()[-1]}
    (library,) = (tmp_path / "cache").iterdir()
    before = library.stat().st_mtime_ns
    output(start(RUN, **quick))
    assert library.stat().st_mtime_ns == before


def test_a_compiler_that_knows_no_tiles_makes_all_other_levels(tmp_path, quick):
    older = a_compiler(
        tmp_path, 'case "$*" in *-mamx*) echo "error: unrecognized option" >&2; exit 1;; esac\nexec cc "$@" -O1'
    )
    expected = [level for level in kernels.levels() if level != "amx"][-1]
    assert output(start(RUN, **{**quick, "CC": older})) == (expected, "")


def test_a_damaged_library_is_compiled_again(quick, monkeypatch):
    for name, value in quick.items():
        monkeypatch.setenv(name, str(value))
    library = build.library_path(build.compiler())
    library.parent.mkdir()
    library.write_bytes(b"no library")
    assert output(start(RUN))[0] == kernels.levels()[-1]
    assert library.stat().st_size > 10_000


@pytest.mark.parametrize("level", kernels.levels())
def test_the_environment_chooses_the_level(level):
    assert output(start(RUN, QUANTIZE_RUNTIME_LEVEL=level)) == (level, "")


def test_a_level_that_is_not_there_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="'sse'; choose from numpy, plain"):
        kernels.get("sse")
    missing = next(level for level in kernels.LEVELS if level not in kernels.levels())
    monkeypatch.setenv(kernels.LEVEL_VARIABLE, missing)
    with pytest.raises(ValueError, match=f"no level {missing}"):
        kernels.get()


def test_without_a_compiler_numpy_computes_and_a_warning_says_how_to_get_one(tmp_path):
    printed, errors = output(
        start("import importlib.util as u; u.find_spec = lambda _: None\n" + RUN, PATH=tmp_path, CC="")
    )
    assert printed == "numpy"
    assert "no C compiler (cc, gcc, clang) was found; one comes with: pip install ziglang" in errors
    assert errors.count("RuntimeWarning") == 1


def test_a_compiler_that_fails_is_quoted_in_one_line(tmp_path, monkeypatch):
    script = (
        'case "$*" in *--version*) exit 0;; esac; echo "file.c: In function" >&2; echo "x.c:1: error: bad" >&2; exit 1'
    )
    failing = a_compiler(tmp_path, script)
    printed, errors = output(start(RUN, QUANTIZE_RUNTIME_CACHE=tmp_path / "cache", CC=failing))
    assert printed == "numpy"
    assert f"the C compiler {failing} failed: x.c:1: error: bad; the slow NumPy kernels are used" in errors
    monkeypatch.setenv("CC", str(tmp_path / "nothing"))
    with pytest.raises(build.BuildError, match="CC names, .*nothing, is not there"):
        build.compiler()


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "cache").write_text("a file, where a directory is needed")
    printed, errors = output(start(RUN, QUANTIZE_RUNTIME_CACHE=tmp_path / "cache"))
    assert printed == "numpy"
    assert f"can't be kept in {tmp_path / 'cache'}" in errors


def test_a_library_is_known_by_sources_flags_and_compiler(tmp_path, monkeypatch):
    sources = tmp_path / "kernels"
    sources.mkdir()
    (sources / "a.c").write_text("1")
    monkeypatch.setattr(build, "SOURCES", sources)
    keys = [build.key(["cc"])]
    (sources / "a.c").write_text("2")
    keys.append(build.key(["cc"]))
    monkeypatch.setattr(build, "_FLAGS", ["-O0"])
    keys.append(build.key(["cc"]))
    keys.append(build.key([str(a_compiler(tmp_path, "echo 1"))]))
    a_compiler(tmp_path, "echo 2")
    keys.append(build.key([str(tmp_path / "compiler")]))
    assert len(set(keys)) == len(keys)


def test_a_forked_process_computes_with_threads_of_its_own():
    x = np.random.default_rng(0).normal(0, 1, (4, 9, 9, 20)).astype(F)
    run = kernels.get(kernels.levels()[-1], threads=3)
    expected = run.average_pool(x)
    child = os.fork()
    if child == 0:
        os._exit(0 if all((run.average_pool(x) == expected).all() for _ in range(20)) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_threads_of_the_interpreter_may_call_at_once():
    """Jobs of a pool follow each other at once, and have other numbers of parts each time."""
    random = np.random.default_rng(0)
    xs = [random.normal(0, 1, (1, height, 3, 4)).astype(F) for height in range(1, 12)]
    run, expected = kernels.get(kernels.levels()[-1], threads=3), list(map(kernels.get("numpy").average_pool, xs))
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for _ in range(100):
            for found, wanted in zip(pool.map(run.average_pool, xs), expected, strict=True):
                np.testing.assert_array_equal(found, wanted)

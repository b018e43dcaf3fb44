"""Compiles the kernels on first use, with the system's C compiler or that of the `ziglang` package, and keeps them.

The library lies in a cache directory of the user under a name that is a hash of sources, flags and compiler. It is
compiled in a directory of its own and renamed when it is whole, so processes that compile at once do no harm: each
renames a whole library to the same name.
"""

import concurrent.futures
import ctypes
import functools
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

SOURCES = Path(__file__).parent / "kernels"
CACHE_VARIABLE = "QUANTIZE_RUNTIME_CACHE"
COMPILER_VARIABLE = "CC"
_FLAGS = ["-std=c99", "-O3", "-ffp-contract=off", "-fPIC", "-pthread"]
_AVX512 = ["avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vpopcntdq", "avx512vnni"]
_AMX = ["amx-tile", "amx-int8"]  # of gcc from 11 on, of clang from 12 on
# The flags of each source; those that are for other processors are left out.
_LEVELS: dict[str, dict[str, list[str]]] = {
    "x86_64": {
        "levels/avx2.c": ["-mavx2"],
        "levels/avx512.c": [f"-m{name}" for name in _AVX512],
        "levels/amx.c": [f"-m{name}" for name in (*_AVX512, *_AMX)],
    },
    "aarch64": {"levels/neon.c": []},
}
# What a source is compiled with where the compiler does not know its flags.
_WITHOUT = {"levels/amx.c": "-DWITHOUT_TILES"}
_COMPILE_SECONDS = 300


class BuildError(RuntimeError):
    """There is no compiler, or it failed. The message is one line."""


def machine() -> str:
    """The processor's architecture, by one name on all systems."""
    name = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)


def source_flags() -> dict[str, list[str]]:
    """Returns {source to compile: its flags}."""
    sources: dict[str, list[str]] = {
        "dispatch.c": [],
        "threads.c": [],
        "levels/plain.c": [],
        **_LEVELS.get(machine(), {}),
    }
    return {name: [*_FLAGS, *flags] for name, flags in sources.items()}


def compiler() -> list[str]:
    """Finds a compiler: $CC, cc, gcc, clang, or `python -m ziglang cc`. Returns the words of its command.

    Raises:
      BuildError: there is none.
    """
    chosen = os.environ.get(COMPILER_VARIABLE, "").split()
    if chosen:
        if shutil.which(chosen[0]) is None:
            raise BuildError(f"the C compiler that {COMPILER_VARIABLE} names, {chosen[0]}, is not there")
        return chosen
    for name in ("cc", "gcc", "clang"):
        if shutil.which(name):
            return [name]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline"]  # its default is this very processor
    raise BuildError("no C compiler (cc, gcc, clang) was found; one comes with: pip install ziglang")


def cache_directory() -> Path:
    """Where libraries are kept: $QUANTIZE_RUNTIME_CACHE, or the user's cache directory."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    if sys.platform == "darwin" and not base:
        base = os.path.expanduser("~/Library/Caches")
    return Path(base or os.path.expanduser("~/.cache")) / "enas-quantized"


def _run(command: list[str]) -> str:
    """Runs a compiler; returns what it printed.

    Raises:
      BuildError: it failed; the message has the first line of its own that names an error.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_COMPILE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"the C compiler {command[0]} failed: {error}") from error
    if done.returncode:
        lines = (
            [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines() or ["no message"]
        )
        raise BuildError(f"the C compiler {command[0]} failed: {lines[0].strip()}")
    return done.stdout


def key(command: list[str]) -> str:
    """Hashes what a library depends on: sources, flags, and the compiler with its version; 20 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in sorted(SOURCES.rglob("*.[ch]")):
        digest.update(path.relative_to(SOURCES).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(repr((source_flags(), command, _run([*command, "--version"]), machine())).encode())
    return digest.hexdigest()[:20]


def library_path(command: list[str]) -> Path:
    """Where the library lies that a compiler makes of the sources as they are."""
    return cache_directory() / f"kernels-{key(command)}.so"


def _object(command: list[str], name: str, folder: str) -> str:
    """Compiles one source; returns where the result lies.

    Raises:
      BuildError: the compiler failed.
    """
    target = f"{folder}/{name.replace('/', '-')}.o"
    files = ["-c", str(SOURCES / name), "-o", target]
    try:
        _run([*command, *source_flags()[name], *files])
    except BuildError:
        if name not in _WITHOUT:
            raise
        _run([*command, *_FLAGS, _WITHOUT[name], *files])
    return target


def _compile(command: list[str], target: Path) -> None:
    """Compiles all sources into a shared library, which gets its name when it is whole.

    Raises:
      BuildError: the compiler failed, or the directory can't be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as folder:
            with concurrent.futures.ThreadPoolExecutor() as pool:
                objects = list(pool.map(lambda name: _object(command, name, folder), source_flags()))
            _run([*command, "-shared", "-pthread", *objects, "-o", f"{folder}/library"])
            os.replace(f"{folder}/library", target)
    except OSError as error:
        raise BuildError(f"the compiled kernels can't be kept in {target.parent}: {error.strerror}") from error


@functools.cache
def library() -> ctypes.CDLL:
    """Loads the kernels, compiling them if they aren't in the cache.

    Raises:
      BuildError: there is no compiler, it failed, or what it made can't be loaded.
    """
    command = compiler()
    target = library_path(command)
    if not target.exists():
        _compile(command, target)
    try:
        return ctypes.CDLL(str(target))
    except OSError:
        # A damaged file; whoever mends it first, the name ends up with a whole library.
        _compile(command, target)
    try:
        return ctypes.CDLL(str(target))
    except OSError as error:
        raise BuildError(f"the compiled kernels can't be loaded: {error}") from error


@functools.cache
def warn_once(message: str) -> None:
    """Warns of something once in the life of the process."""
    warnings.warn(message, RuntimeWarning, stacklevel=3)

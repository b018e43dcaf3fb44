"""Every public function states the types of what it takes and of what it returns. That they are right is mypy's to say."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def public(nodes):
    """The public functions among a module's or class's statements, those of public classes included."""
    for node in nodes:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public(node.body)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if node.name == "__init__" or not node.name.startswith("_"):
                yield node
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from public(ast.iter_child_nodes(node))


def is_typed(function):
    """Whether all parameters and the result have annotations; `self` and `cls` need none."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    rest = [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
    needed = [argument for argument in named + rest if argument.arg not in ("self", "cls")]
    return function.returns is not None and all(argument.annotation for argument in needed)


def untyped(text):
    """The names of the public functions in a module's text that lack a type."""
    return [function.name for function in public(ast.parse(text).body) if not is_typed(function)]


@pytest.mark.parametrize(
    "text, names",
    [
        ("def f(a: int, *b: int, c: int = 1, **d: int) -> None: ...", []),
        ("def f(a: int): ...", ["f"]),
        ("def f(a) -> None: ...", ["f"]),
        ("def f(*a) -> None: ...", ["f"]),
        ("def f(*, a) -> None: ...", ["f"]),
        ("def f(**a) -> None: ...", ["f"]),
        ("def _f(a): ...", []),
        ("async def f(a): ...", ["f"]),
        ("class A:\n def f(self) -> None: ...\n def __init__(self, a): ...\n def __enter__(self): ...", ["__init__"]),
        ("class A:\n class B:\n  def f(self): ...", ["f"]),
        ("class _A:\n def f(self): ...", []),
        ("def f() -> None:\n def g(a): ...", []),
        ("try:\n def f(a): ...\nexcept OSError:\n if f:\n  def g(a): ...", ["f"]),
    ],
)
def test_a_function_without_types_is_found(text, names):
    assert untyped(text) == names


def test_every_public_function_states_its_types():
    found = []
    for top in ("enas", "quantize", "scripts"):
        for path in sorted((ROOT / top).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            found += [f"{name}: {function}" for function in untyped(path.read_text())]
    assert not found


def test_the_type_checker_leaves_no_room_out():
    with open(ROOT / "pyproject.toml", "rb") as file:
        sections = tomllib.load(file)["tool"]["mypy"]["overrides"]
    assert not [section for section in sections if section.get("ignore_errors")]

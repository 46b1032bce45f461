"""What an editor shows of a name says what it is."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MANY = 4
ELSEWHERE = re.compile(r"Arguments .*are ``\w+``'s")


def test_no_docstring_leaves_open_what_it_is_of():
    """``Of a training.`` is half a sentence: the other half is the name that stands above it."""
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file, tree in modules("doge_ray", "rehearsals", "benchmarks")
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if str(node.value.value).startswith("Of ")
    ]
    assert found == []


def test_many_arguments_are_explained():
    found = [
        f"{file.relative_to(ROOT)}: {name} does not explain {missing}"
        for file, tree in modules("doge_ray")
        for name, function in public_functions(tree)
        if (missing := unexplained(function))
    ]
    assert found == []


def modules(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield file, ast.parse(file.read_text())


def public_functions(tree: ast.Module | ast.ClassDef) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Functions of a module, and methods of its classes, whose names have no underscore."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from ((f"{node.name}.{name}", each) for name, each in public_functions(node))


def unexplained(function: ast.FunctionDef) -> list[str]:
    """The arguments that ``Args:`` should explain and does not."""
    text, names = ast.get_docstring(function) or "", read_parameters(function)
    if len(names) < MANY or ELSEWHERE.search(text):
        return []
    explained = text.partition("Args:\n")[2]
    return [name for name in names if not re.search(rf"^ *{name}: ", explained, re.MULTILINE)]


def read_parameters(function: ast.FunctionDef) -> list[str]:
    """Those that the function reads: a callback has others, because its caller has them."""
    given = function.args
    rest = [each for each in (given.vararg, given.kwarg) if each is not None]
    names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs, *rest)]
    body = [node for statement in function.body for node in ast.walk(statement)]
    read = {node.id for node in body if isinstance(node, ast.Name)}
    return [name for name in names if name in read and name not in ("self", "cls")]


def test_the_rule_finds_what_it_forbids():
    text = "Add.\n\n    Args:\n        a: one"
    tree = ast.parse(f'def add(a, b, c, d):\n    """{text}"""\n    return a + b + c + d')
    assert [unexplained(function) for _, function in public_functions(tree)] == [["b", "c", "d"]]

"""Mutations: each operator makes the change that it says, and words, annotations and docstrings are left alone."""

from __future__ import annotations

import ast

import pytest

from tests.mutants.copies import ROOT
from tests.mutants.mutations import listed
from tests.mutants.operators import mutations_of


def told(source: str) -> list[str]:
    """Return how the mutations of a function's body are told."""
    lines = "\n".join(f"    {line}" for line in source.splitlines())
    return [mutation.told for mutation in mutations_of("m.py", f"def f(a, b, c=None):\n{lines}\n")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("g(a == b)", ["g(a == b) -> pass", "g(a == b) -> g(a != b)"]),
        ("a = b < c", ["b < c -> b <= c", "b < c -> b >= c"]),
        ("a = b is not c", ["b is not c -> b is c"]),
        ("a = b not in c", ["b not in c -> b in c"]),
        ("a = 0 < b < c", ["0 < b < c -> 0 <= b < c", "0 < b < c -> 0 >= b < c"]),
        ("a = b and c", ["b and c -> b or c"]),
        ("a = not b", ["not b -> b"]),
        ("a = b + c", ["b + c -> b - c"]),
        ("a = True", ["True -> False"]),
        ("a = 5", ["5 -> 6"]),
        ("a = 'word'", ["'word' -> 'wordx'"]),
        ("a = 'several words'", []),
        ("a = f'{b}'", []),
        ("a = b(c=c)", ["b(c=c) -> b()"]),
        ("a = b if a else c", ["b if a else c -> c if a else b"]),
        ("a = [b for b in c if b]", ["[b for b in c if b] -> [b for b in c]"]),
        ("return a", ["return a -> return None"]),
        ("return None", []),
        ("if a: pass", ["if a: pass -> if not a: pass"]),
        ("raise a", ["raise a -> pass"]),
        ("a += b", ["a += b -> pass"]),
        ("yield a", ["yield a -> yield from ()"]),
    ],
)
def test_operators(source: str, expected: list[str]) -> None:
    """Told by the piece of source before and after."""
    assert told(source)[: len(expected)] == expected
    assert bool(told(source)) == bool(expected)


def test_each_mutation_changes_one_thing() -> None:
    """The rest of the module stays, and the tree compiles."""
    source = "X = 1\n\nclass C:\n    def f(self, a=2):\n        return a == 3\n"
    found = list(mutations_of("m.py", source))

    assert [(one.where, one.told) for one in found] == [
        ("module", "1 -> 2"),
        ("C.f", "2 -> 3"),
        ("C.f", "return a == 3 -> return None"),
        ("C.f", "a == 3 -> a != 3"),
        ("C.f", "a == 3 -> a == 4"),
    ]
    assert ast.unparse(found[-1].tree) == ast.unparse(ast.parse(source.replace("3", "4")))
    assert [one.chain for one in found] == [(), (), *[(("C.f", 4),)] * 3]


def test_what_looks_alike_is_numbered() -> None:
    """A name is one mutation's, wherever its line has moved."""
    names = [one.name for one in mutations_of("m.py", "def f(a):\n    g(a == 1)\n    g(a == 1)\n")]
    assert len(names) == len(set(names))
    assert "m.py f: a == 1 -> a == 2 #2" in names


def test_a_closure_knows_the_functions_around_it() -> None:
    """Outermost first, by the name and the line that its code has."""
    source = "@decorated\ndef outer():\n    def inner():\n        return 1\n    return inner\n"
    (found,) = [one for one in mutations_of("m.py", source) if one.told == "return 1 -> return None"]
    assert found.chain == (("outer", 1), ("outer.<locals>.inner", 3))


def test_every_survivor_that_is_accepted_exists() -> None:
    """An entry whose code has gone is taken off the list."""
    package = ROOT / "src" / "itsm_workflow"
    modules = {name.split(" ")[0] for name in listed()}
    present = {
        one.name for module in modules for one in mutations_of(module, (package / module).read_text(encoding="utf-8"))
    }
    assert sorted(set(listed()) - present) == []

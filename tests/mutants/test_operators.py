"""Mutations: each operator makes the change that it says, and words, annotations and docstrings are left alone."""

from __future__ import annotations

import ast

import pytest

from tests.mutants.copies import ROOT
from tests.mutants.mutations import listed
from tests.mutants.operators import mutations_of
from tests.mutants.parts import path_of


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
        ("a = '='", ["'=' -> 'x'"]),
        ("a = 'x'", ["'x' -> 'xx'"]),
        ("a = ''", ["'' -> 'x'"]),
        ("a = 'several words'", []),
        ("a = f'{b}'", []),
        ("a = b(c=c)", ["b(c=c) -> b()"]),
        ("a = b(a, c)", ["b(a, c) -> b(c, a)"]),
        ("a = b(a, *c)", []),
        ("a = b(c, c)", []),
        ("a = max(a, c)", []),
        ("a = zip(*b, strict=True)", []),
        ("a = m.compare_digest(a, c)", []),
        ("a = isinstance(a, c)", []),
        ("a = b('several words', c)", []),
        ("a = b(f'{a}', c)", []),
        ("a = b(x=a, y=c)", ["b(x=a, y=c) -> b(y=c)", "b(x=a, y=c) -> b(x=a)", "b(x=a, y=c) -> b(x=c, y=a)"]),
        ("a = b(x=a, y='several words')", ["b(x=a, y='several words') -> b(y='several words')"]),
        (
            "a = b(x=a, description='several words')",
            ["b(x=a, description='several words') -> b(description='several words')"],
        ),
        ("a = b(description='several words')", []),
        (
            "a = b(x=None, y=False)",
            ["b(x=None, y=False) -> b(y=False)", "b(x=None, y=False) -> b(x=None)", "y=False -> y=True"],
        ),
        ("a = b({}, None)", []),
        ("a = b({}, a)", ["b({}, a) -> b(a, {})"]),
        ("a = b(limit=64)", ["b(limit=64) -> b()", "limit=64 -> limit=65"]),
        ("a = b(description=c)", ["b(description=c) -> b()"]),
        ("with b: a.g()", ["with b: a.g() -> if True: a.g()"]),
        ("with b() as d: d.g()", ["with b() as d: d.g() -> if True: d = b() d.g()"]),
        ("with b, c: pass", ["with b, c: pass -> if True: with c: pass", "with b, c: pass -> with b: pass"]),
        ("a = b if a else c", ["b if a else c -> c if a else b"]),
        ("a = [b for b in c if b]", ["[b for b in c if b] -> [b for b in c]"]),
        ("return a", ["return a -> return None"]),
        ("return None", []),
        ("return b''", ["return b'' -> return None"]),
        ("return ''", ["'' -> 'x'"]),
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


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("a()\nb()", ["a() <-> b()"], id="two calls"),
        pytest.param("d = a()\nc.x = d", [], id="the second needs a name that only the first assigns"),
        pytest.param("a = c()\nb.x = a", ["a = c() <-> b.x = a"], id="the name has a value before"),
        pytest.param("d = a\nd = b", ["d = a <-> d = b"], id="the same name"),
        pytest.param("d = a\ne = b", [], id="two assignments that have nothing in common"),
        pytest.param("a.x = b\nd = c()", [], id="an attribute, and a function of others"),
        pytest.param(
            "a.x = b\nd = self.c()", ["a.x = b <-> d = self.c()"], id="an attribute, and a call that may see it"
        ),
        pytest.param(
            "d = self.b()\ne = self.c()", ["d = self.b() <-> e = self.c()"], id="two calls of the same object"
        ),
        pytest.param("d = b()\ne = c()", [], id="two values"),
        pytest.param("d = [g for g in a]\ne = [g for g in b]", [], id="two values, each with names of its own inside"),
        pytest.param(
            "d = [g for g in a]\nfor g in d:\n    e = [g for c in b]",
            [],
            id="a value that the second needs, and a name that it has outside as well",
        ),
        pytest.param("d = self.b()\ne = isinstance(a, c)", [], id="a call, and what type a value has"),
        pytest.param(
            "d = self.b()\ne = isinstance(self.c(), c)",
            ["d = self.b() <-> e = isinstance(self.c(), c)"],
            id="a call, and what type another call's value has",
        ),
        pytest.param("if a:\n    return\nd = b()", [], id="a way out before a value"),
        pytest.param("if a:\n    return\nb()", ["if a: return <-> b()"], id="a way out before an act"),
        pytest.param("if a:\n    return\nd = self.b()", ["if a: return <-> d = self.b()"], id="a way out, and a call"),
        pytest.param("if a:\n    return\nd = self.clock.now()", [], id="a way out, and the time"),
        pytest.param("d = self.clock.now()\ne = c(a)", [], id="the time, and a value"),
        pytest.param("a.x = c(a)\ne = self.x.monotonic()", [], id="an attribute, and the time"),
        pytest.param(
            "d = self.clock.elapsed()\ne = self.commit()",
            ["d = self.clock.elapsed() <-> e = self.commit()"],
            id="the time, and what takes some",
        ),
        pytest.param(
            "d = self.clock.elapsed()\nself.x.commit()",
            ["d = self.clock.elapsed() <-> self.x.commit()"],
            id="the time, and an act",
        ),
        pytest.param("a.x = b\na.y = c", [], id="two attributes"),
        pytest.param("a['x'] = b\na['y'] = c", [], id="two items"),
        pytest.param("a.x += b\na.y += c()", [], id="two counts"),
        pytest.param("a += b\nc += a", ["a += b <-> c += a"], id="a count that is read"),
        pytest.param("a.x += b\nif c:\n    return", ["a.x += b <-> if c: return"], id="a count, and a way out"),
        pytest.param("a.x += b\na.y = self.c()", ["a.x += b <-> a.y = self.c()"], id="a count, and a call"),
        pytest.param("a[b] = 1\na[c] = 2", ["a[b] = 1 <-> a[c] = 2"], id="two items that may be the same"),
        pytest.param("if a:\n    raise b\nif c:\n    raise b", [], id="two checks"),
        pytest.param("if a:\n    raise b\nfor d in a:\n    if d:\n        raise b", [], id="a check, and one of each"),
        pytest.param(
            "if a:\n    raise b\nfor d in a:\n    d()",
            ["if a: raise b <-> for d in a: d()"],
            id="a check, and what is done to each",
        ),
        pytest.param("d = c(a)\nif b:\n    yield 1", [], id="a value, and a check that does not need it"),
        pytest.param("d = c(a)\nif b:\n    raise c(1)", ["d = c(a) <-> if b: raise c(1)"], id="a value, and an error"),
        pytest.param("a.x = b\nif b:\n    yield 1", ["a.x = b <-> if b: yield 1"], id="an attribute, and a check"),
        pytest.param("d = self.c()\nif b:\n    yield 1", ["d = self.c() <-> if b: yield 1"], id="a call, and a check"),
        pytest.param("if b:\n    yield 1\nd = c(a)", ["if b: yield 1 <-> d = c(a)"], id="a check, and a value"),
        pytest.param("if a:\n    return 1\nif c:\n    return 2", ["if a: return 1 <-> if c: return 2"], id="two cases"),
        pytest.param(
            "if isinstance(a, b):\n    return 1\nif isinstance(a, c):\n    return 2", [], id="two types of one value"
        ),
        pytest.param(
            "if a is None:\n    return 1\nif isinstance(a, c):\n    return 2",
            [],
            id="one value that is missing, or of a type",
        ),
        pytest.param(
            "if a is c.ONE:\n    return 1\nif a is c.TWO and b:\n    return 2", [], id="two values of one thing"
        ),
        pytest.param(
            "if a is tuple and b:\n    return 1\nif a is list:\n    return 2", [], id="a thing that is one type"
        ),
        pytest.param(
            "if a is c.ONE:\n    return 1\nif b is c.TWO:\n    return 2",
            ["if a is c.ONE: return 1 <-> if b is c.TWO: return 2"],
            id="values of two things",
        ),
        pytest.param(
            "if a == c:\n    return 1\nif a == b:\n    return 2",
            ["if a == c: return 1 <-> if a == b: return 2"],
            id="values that may be the same",
        ),
        pytest.param("_check_b(a)\nif c:\n    c.check(b)\n    check_a(c)", [], id="two checks that have names"),
        pytest.param("yield from c.b_problems(a)\nif c:\n    yield 1", [], id="two that yield problems"),
        pytest.param("if c:\n    yield 1\nyield from _problems(a)", [], id="two that yield problems, the other way"),
        pytest.param("yield from b(a)\nyield from b(c)", ["yield from b(a) <-> yield from b(c)"], id="two that yield"),
        pytest.param("if a:\n    d = b()\nif c:\n    e = c()", [], id="two values, each if a condition holds"),
        pytest.param(
            "if a:\n    d = self.b()\nif c:\n    e = self.c()",
            ["if a: d = self.b() <-> if c: e = self.c()"],
            id="two calls of the same object, each if a condition holds",
        ),
        pytest.param(
            "if a:\n    c = b()\nif c:\n    e = c()",
            ["if a: c = b() <-> if c: e = c()"],
            id="a value that the other condition needs",
        ),
        pytest.param(
            "if a:\n    d()\nif c:\n    e = b()",
            ["if a: d() <-> if c: e = b()"],
            id="an act, and a value, if they hold",
        ),
        pytest.param(
            "if isinstance(a, b) and c:\n    return 1\nif isinstance(a, c) and b:\n    return 2",
            [],
            id="two types of one value, and more",
        ),
        pytest.param("checker(a)\nb()", ["checker(a) <-> b()"], id="a check that has a name, and an act"),
        pytest.param("if a:\n    return f'{b}'\nif c:\n    return 'several words'", [], id="two refusals in words"),
        pytest.param("a.x = b\na.y = a.x", ["a.x = b <-> a.y = a.x"], id="an attribute that is read"),
        pytest.param("a[0] = b\nc()", ["a[0] = b <-> c()"], id="an item"),
        pytest.param("a.x = b\nreturn c", ["a.x = b <-> return c"], id="what comes before the end"),
        pytest.param("a()\nreturn c", [], id="a statement that is left out by another operator"),
        pytest.param("'Several words.'\na()", [], id="a docstring"),
        pytest.param("import os\na()", [], id="an import"),
        pytest.param("try:\n    a()\n    b()\nfinally:\n    b()\n    c()", ["a() <-> b()", "b() <-> c()"], id="blocks"),
        pytest.param("for d in a:\n    b()\n    c()", ["b() <-> c()"], id="a loop"),
        pytest.param("match a:\n    case 1:\n        b()\n        c()", ["b() <-> c()"], id="a case"),
        pytest.param("def g():\n    a()\n    b()\nc = g", ["a() <-> b()"], id="a function inside"),
        pytest.param("def g():\n    a()\ng()", [], id="a function that is called then"),
        pytest.param("a()\n@functools.wraps(b)\ndef g():\n    return b()", [], id="a function that wraps another"),
        pytest.param(
            "a()\n@c.kept\ndef g():\n    return b()", ["a() <-> @c.kept def g(): return b()"], id="a decorated one"
        ),
    ],
)
def test_statements_are_exchanged_where_that_may_be_noticed(source: str, expected: list[str]) -> None:
    """Each pair of adjacent statements once; the mutation has them in the other order."""
    assert [each for each in told(source) if "<->" in each] == expected


def test_assignments_of_a_constructor_are_not_exchanged() -> None:
    """What each calls is assumed not to notice the other."""
    body = ("super().__init__(a)", "self.a = a()", "self.b = C.make()")
    source = "\n        ".join(["class C:\n    def __init__(self, a):", *body])
    assert [one.told for one in mutations_of("m.py", source) if "<->" in one.told] == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (["self.a = b", "self.c.d(b)"], []),
        (["self.c.d(b)", "self.a = b"], []),
        (["self.a = b", "self.c(b)"], ["self.a = b <-> self.c(b)"]),
        (["self.a = b", "self.a.c(b)"], ["self.a = b <-> self.a.c(b)"]),
        (["self.a = self.b()", "self.c.d(b)"], ["self.a = self.b() <-> self.c.d(b)"]),
        (["if a:\n            raise b", "self.c = c(a)"], []),
        (["self.c = c(a)", "if a:\n            raise b"], []),
        (["self.c = self.d(a)", "if a:\n            raise b"], ["self.c = self.d(a) <-> if a: raise b"]),
        (["self.c = a", "if self.c:\n            raise b"], ["self.c = a <-> if self.c: raise b"]),
        (["self.a.b(a)", "self.c.d(b)"], ["self.a.b(a) <-> self.c.d(b)"]),
    ],
)
def test_a_constructor_may_check_and_call_a_part_before_or_after_it_assigns_another(
    body: list[str], expected: list[str]
) -> None:
    """A part knows nothing of the others, and an object that is refused is gone; unless one looks at the other."""
    source = "\n        ".join(["class C:\n    def __init__(self, a, b):", *body])
    assert [one.told for one in mutations_of("m.py", source) if "<->" in one.told] == expected


@pytest.mark.parametrize(
    ("body", "described", "changed"),
    [
        ("g(a)\nh(b)", "g(a) <-> h(b)", "h(b)\ng(a)"),
        ("x = g(a, b)", "g(a, b) -> g(b, a)", "x = g(b, a)"),
        ("x = g(m=a, n=b)", "g(m=a, n=b) -> g(m=b, n=a)", "x = g(m=b, n=a)"),
        ("with a as x: g(x)", "with a as x: g(x) -> if True: x = a g(x)", "if True:\n    x = a\n    g(x)"),
        (
            "with a, b as x, c: g(x)",
            "with a, b as x, c: g(x) -> with a: x = b with c: g(x)",
            "with a:\n    x = b\n    with c:\n        g(x)",
        ),
    ],
)
def test_the_tree_is_what_the_description_says(body: str, described: str, changed: str) -> None:
    """It compiles, and nothing else is different."""

    def module(text: str) -> str:
        lines = "\n".join(f"    {line}" for line in text.splitlines())
        return f"def f(a, b, c=None):\n{lines}\n"

    (found,) = [one for one in mutations_of("m.py", module(body)) if one.told == described]
    compile(found.tree, "m.py", "exec")
    assert ast.unparse(found.tree) == ast.unparse(ast.parse(module(changed)))
    assert found.chain == (("f", 1),)


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


def test_what_a_type_checker_alone_looks_at_is_left_alone() -> None:
    """Neither its name nor how it varies means anything when the program runs."""
    assert list(mutations_of("m.py", "T = TypeVar('T', covariant=True)\nP = ParamSpec('P')\n")) == []
    assert [one.told for one in mutations_of("m.py", "T = f('T')\n")] == ["f('T') -> f('x')"]


def test_how_far_a_foreign_text_is_cut_is_left_alone() -> None:
    """That it is cut is not; nor is a length that something computes."""
    assert told("a = clean(b, limit=64)") == ["clean(b, limit=64) -> clean(b)"]
    assert told("a = clean(b, limit=2 * c)")[1:] == ["limit=2 * c -> limit=2 // c", "2 * c -> 3 * c"]


def test_a_display_name_is_left_alone() -> None:
    """A name for people in two languages; any other dictionary is changed."""
    assert told("a = {'zh': '已终止', 'en': 'terminated'}") == []
    assert told("a = {'zh': '已终止', 'en': b()}") != []
    assert told("a = {'en': 'terminated'}") != []


def test_another_name_for_a_type_is_left_alone() -> None:
    """Nothing looks into it when the program runs; what is made of a subscript inside a function is another thing."""
    aliases = "W = tuple['F', 'C']\nL: TypeAlias = dict['F', 1]\nU = int | 'F'\n"
    assert list(mutations_of("m.py", aliases)) == []
    assert [one.told for one in mutations_of("m.py", "X = a.b['F']\n")] == ["a.b['F'] -> a.b['x']"]


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


@pytest.mark.long
def test_every_survivor_that_is_accepted_exists() -> None:
    """An entry whose code has gone is taken off the list."""
    modules = {name.split(" ")[0] for name in listed()}
    present = {
        one.name
        for module in modules
        if (path := ROOT / path_of(module)).exists()
        for one in mutations_of(module, path.read_text(encoding="utf-8"))
    }
    assert sorted(set(listed()) - present) == []

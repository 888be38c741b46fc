"""The operators: for one node of a syntax tree, the nodes that a mutation may put in its place."""

from __future__ import annotations

import ast
import copy
from itertools import pairwise
from typing import TYPE_CHECKING, cast

from tests.mutants.order import may_be_reordered

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_NOT_SWAPPED = frozenset({"compare_digest", "getattr", "hasattr", "isinstance", "issubclass", "max", "min"})
"""Calls that are the same, or fail always, with two arguments in each other's place."""

_BLOCKS = ("body", "orelse", "finalbody")


def changes_of(node: ast.AST) -> Iterator[ast.AST]:  # noqa: C901, PLR0912 - one case for each kind of node
    """Yield what may stand in the place of an expression or a statement."""
    if isinstance(node, ast.Compare):
        for number, old in enumerate(node.ops):
            for operator in COMPARISONS[type(old)]:
                yield _evolved(node, ops=[*node.ops[:number], operator(), *node.ops[number + 1 :]])
    elif isinstance(node, ast.BoolOp):
        yield _evolved(node, op=ast.And() if isinstance(node.op, ast.Or) else ast.Or())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        yield _evolved(node, op=ARITHMETIC[type(node.op)]())
    elif isinstance(node, ast.Constant):
        yield from _other_constants(node)
    elif isinstance(node, ast.Call):
        for number, keyword in enumerate(node.keywords):
            if is_assertion(keyword) or _describes(keyword):
                continue
            yield _evolved(node, keywords=[*node.keywords[:number], *node.keywords[number + 1 :]])
        yield from _swapped_arguments(node)
    elif isinstance(node, ast.IfExp):
        yield _evolved(node, body=node.orelse, orelse=node.body)
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        for number, one in enumerate(node.generators):
            if one.ifs:
                bare = ast.comprehension(one.target, one.iter, [], one.is_async)
                yield _evolved(node, generators=[*node.generators[:number], bare, *node.generators[number + 1 :]])
    elif isinstance(node, ast.Return) and node.value is not None and not _is_nothing(node.value):
        yield _evolved(node, value=ast.Constant(None))
    elif isinstance(node, ast.If | ast.While):
        if not isinstance(node.test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            yield _evolved(node, test=ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.With):
        for number in range(len(node.items)):
            yield _without(node, number)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield | ast.YieldFrom):
        yield ast.Expr(ast.YieldFrom(ast.Tuple([], ast.Load())))  # yields nothing, and the function stays a generator
    elif isinstance(node, ast.Expr | ast.AugAssign | ast.Raise | ast.Continue | ast.Break | ast.Delete):
        yield ast.Pass()


def reordered(node: ast.AST, assigned: frozenset[str]) -> Iterator[tuple[ast.AST, Sequence[ast.stmt]]]:
    """Yield a node with two adjacent statements of one of its blocks in the other order, and these two.

    Args:
        node: A function, or a compound statement.
        assigned: The names that have a value before the first of its statements.
    """
    building = isinstance(node, ast.FunctionDef) and node.name == "__init__"
    for field in _BLOCKS if isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case) else ():
        block = cast("list[ast.stmt]", getattr(node, field, []))
        for number, (first, second) in enumerate(pairwise(block)):
            if may_be_reordered(first, second, block[:number], assigned, building=building):
                yield (
                    _evolved(node, **{field: [*block[:number], second, first, *block[number + 2 :]]}),
                    (first, second),
                )


def is_assertion(node: ast.AST) -> bool:
    """Whether a node is the ``strict`` of `zip`: like an ``assert``, it says what is true by construction."""
    return isinstance(node, ast.keyword) and node.arg == "strict"


def _describes(keyword: ast.keyword) -> bool:
    """Whether a keyword is a value's own docstring: a ``description`` in words, which nothing looks at."""
    return keyword.arg == "description" and _is_words(keyword.value)


def _swapped_arguments(node: ast.Call) -> Iterator[ast.Call]:
    """Yield a call with two neighbouring arguments in each other's place.

    Words that people read are left where they are, as everywhere: in their place, another argument would be no text.
    """
    if _is_for_people(node):
        return
    if ast.unparse(node.func).rpartition(".")[2] not in _NOT_SWAPPED:
        for number, (one, other) in enumerate(pairwise(node.args)):
            if not isinstance(one, ast.Starred) and not isinstance(other, ast.Starred) and _differ(one, other):
                yield cast("ast.Call", _evolved(node, args=[*node.args[:number], other, one, *node.args[number + 2 :]]))
    for number, (first, second) in enumerate(pairwise(node.keywords)):
        words = any(_is_words(each.value) for each in (first, second))
        if first.arg and second.arg and not words and _differ(first.value, second.value):
            swapped = [_evolved(first, value=second.value), _evolved(second, value=first.value)]
            yield cast(
                "ast.Call", _evolved(node, keywords=[*node.keywords[:number], *swapped, *node.keywords[number + 2 :]])
            )


def _is_for_people(node: ast.Call) -> bool:
    """Whether a call's arguments are words that people read: a text with a space among them, or one that is formed."""
    return any(isinstance(each, ast.JoinedStr) or _is_words(each) for each in node.args)


def _is_words(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value


def _differ(one: ast.expr, other: ast.expr) -> bool:
    """Whether two arguments are not the same, nor both nothing, which are the same to who tests for truth."""
    return ast.dump(one) != ast.dump(other) and not (_is_nothing(one) and _is_nothing(other))


def _without(node: ast.With, number: int) -> ast.AST:
    """Return a block that does not enter one of its contexts; what the context would have been named, it is."""
    before, item, after = node.items[:number], node.items[number], node.items[number + 1 :]
    body: list[ast.stmt] = [_evolved(node, items=after)] if after else node.body  # type: ignore[list-item]  # a With
    if item.optional_vars is not None:
        body = [ast.copy_location(ast.Assign([item.optional_vars], item.context_expr), node), *body]
    return _evolved(node, items=before, body=body) if before else ast.If(ast.Constant(value=True), body, [])


def _other_constants(node: ast.Constant) -> Iterator[ast.Constant]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int | float):
        yield ast.Constant(value + 1)
    elif isinstance(value, str) and len(value) == 1 and value not in " x":
        yield ast.Constant("x")  # added to it, it would be stripped and compared as before
    elif isinstance(value, str) and " " not in value:
        yield ast.Constant(value + "x")


def _is_nothing(node: ast.AST) -> bool:
    """Whether a node is None, False, empty, or zero, which are the same to a caller that tests for truth."""
    is_empty = ast.unparse(node) in {"{}", "[]", "()"}
    return is_empty or (isinstance(node, ast.Constant) and node.value in {None, False, ""})


def _evolved(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed

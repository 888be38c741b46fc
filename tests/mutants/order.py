"""Which two adjacent statements are worth exchanging: the program can run both ways, and it may do something else."""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Node = TypeVar("Node", bound=ast.AST)

_ASSIGNS = (ast.Assign, ast.AnnAssign)
_SETS = (*_ASSIGNS, ast.AugAssign)
_ENDS = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_ACTS = (ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.Delete, ast.Assert, *_ENDS)
_STOPS = (ast.Await, ast.Yield, ast.YieldFrom)
_YIELDED = (ast.Yield,)
_CLOCKS = (".clock.elapsed", ".clock.now", ".monotonic")
_LEFT_OUT_ANYWAY = (ast.Expr, ast.AugAssign, ast.Raise, ast.Continue, ast.Break, ast.Delete)


def may_be_reordered(
    first: ast.stmt, second: ast.stmt, before: Sequence[ast.stmt], assigned: frozenset[str], *, building: bool
) -> bool:
    """Whether to exchange two statements.

    Not exchanged are imports and docstrings; statements of which the second needs a name that only the first assigns;
    statements that cannot notice each other, which two assignments are assumed to be in a constructor, or if they call
    nothing of their own object; such an assignment and a way out, or in a constructor a call of another part or a
    check; two checks, of which only the first that fails is reported; a name's value and a problem that is yielded
    behind it without it; two cases of one value of which only one can hold; and what would only leave out the first,
    which is a mutation of its own.

    Args:
        first: A statement.
        second: The next one.
        before: The statements of the same block before them.
        assigned: The names that have a value before the block.
        building: They are statements of a constructor.
    """
    if _is_fixed(first) or _is_fixed(second):
        return False
    if isinstance(first, _LEFT_OUT_ANYWAY) and isinstance(second, _ENDS):
        return False
    known = assigned | {name for statement in before for name in written(statement)}
    if (_plain(written(first)) - known) & _read(second):
        return False
    if written(first) & (written(second) | _read(second)) or written(second) & _read(first):
        return True
    if building and (
        (_builds(first) and _builds(second))
        or (_is_quiet(first) and _calls_a_part(second))
        or (_calls_a_part(first) and _is_quiet(second))
        or (_is_quiet(first) and _is_check(second))
        or (_is_check(first) and _is_quiet(second))
    ):
        return False
    if _is_unnoticed(first, second):
        return False
    if (_is_check(first) and _is_check(second)) or (_typed(first) and _typed(first) == _typed(second)):
        return False
    if _exclude_each_other(first, second):
        return False
    return (_acts(first) and _is_seen(second)) or (_is_seen(first) and _acts(second))


def _builds(statement: ast.stmt) -> bool:
    """Whether a statement of a constructor assigns a part of the object, or has the base class assign its own."""
    return isinstance(statement, _ASSIGNS) or ast.unparse(statement).startswith("super().__init__(")


def _calls_a_part(statement: ast.stmt) -> bool:
    """Whether a statement only calls a method of one part of the object, which knows nothing of the other parts."""
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return False
    called = ast.unparse(statement.value.func)
    return called.startswith("self.") and called.count(".") == 2


def _is_unnoticed(first: ast.stmt, second: ast.stmt) -> bool:
    """Whether one of them assigns something that the other does not look at, and nothing else would show the order."""
    if _is_quiet(first, _SETS) and _is_quiet(second, _SETS):
        return True
    if _is_quiet(first):
        names_only = written(first) == _plain(written(first))
        return _is_way_out(second) or (names_only and _is_check(second, by=_YIELDED))
    return _is_way_out(first) and _is_quiet(second) and written(second) == _plain(written(second))


def written(statement: ast.stmt) -> set[str]:
    """Return the names and the attributes that a statement assigns, or may assign."""
    inside = set(_inside(statement))
    found = {node.id for node in _nodes(statement, ast.Name) if not isinstance(node.ctx, ast.Load)} - inside
    found |= {ast.unparse(node) for node in _nodes(statement, ast.Attribute) if not isinstance(node.ctx, ast.Load)}
    for node in _nodes(statement, ast.Subscript):
        if not isinstance(node.ctx, ast.Load):
            found |= {ast.unparse(node)} | (
                set() if isinstance(node.slice, ast.Constant) else {ast.unparse(node.value)}
            )
    found |= {node.name for node in _nodes(statement, ast.ExceptHandler) if node.name}
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        found = {statement.name}
    return found


def _inside(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that only the comprehensions in a statement have."""
    made = {id(node) for one in _nodes(statement, ast.comprehension) for node in ast.walk(one.target)}
    names = [node for node in _nodes(statement, ast.Name) if not isinstance(node.ctx, ast.Load)]
    outside = {node.id for node in names if id(node) not in made}
    return (node.id for node in names if node.id not in outside)


def _read(statement: ast.stmt) -> set[str]:
    inside = set(_inside(statement))
    found = {node.id for node in _nodes(statement, ast.Name) if isinstance(node.ctx, ast.Load)} - inside
    return found | {ast.unparse(node) for node in _nodes(statement, ast.Attribute) if isinstance(node.ctx, ast.Load)}


def _is_seen(statement: ast.stmt) -> bool:
    """Whether other code may notice that a statement has run: it acts, or it assigns more than names of its own."""
    return _acts(statement) or written(statement) != _plain(written(statement))


def _plain(names: set[str]) -> set[str]:
    return {name for name in names if name.isidentifier()}


def _acts(statement: ast.stmt) -> bool:
    """Whether a statement may do more than assign; to ask for a value's type or to wrap a function does nothing."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return any(not ast.unparse(one).startswith("functools.wraps(") for one in statement.decorator_list)
    return any(isinstance(node, _ACTS) and not _asks_for_type(node) for node in ast.walk(statement))


def _asks_for_type(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance"


def _is_quiet(statement: ast.stmt, kinds: tuple[type[ast.stmt], ...] = _ASSIGNS) -> bool:
    """Whether a statement assigns, or does so in one of these ways, and calls nothing of the object it is a part of.

    One that does so only if a condition holds counts as well.

    It may read the object's clock: what takes time is no such assignment, and is exchanged with it.
    """
    if isinstance(statement, ast.If):
        if statement.orelse or not all(_is_quiet(each, kinds) for each in statement.body):
            return False
    elif not isinstance(statement, kinds):
        return False
    names = [ast.unparse(node.func) for node in _nodes(statement, ast.Call)]
    called = {name.partition(".")[0] for name in names if not name.endswith(_CLOCKS)}
    return "self" not in called and not any(isinstance(node, _STOPS) for node in ast.walk(statement))


def _is_way_out(statement: ast.stmt) -> bool:
    """Whether a statement only leaves the block, if its condition holds."""
    return (
        isinstance(statement, ast.If)
        and not statement.orelse
        and len(statement.body) == 1
        and isinstance(statement.body[0], _ENDS)
        and not any(isinstance(node, ast.Call) for node in ast.walk(statement.body[0]))
    )


def _is_check(statement: ast.stmt, *, by: tuple[type[ast.AST], ...] = (ast.Raise, *_YIELDED)) -> bool:
    """Whether a statement only raises or yields a problem, or does the one that is asked for, if there is one.

    A problem that is returned in words counts as one that is raised, and so does what a function named ``check…`` may
    raise, or one named ``…_problems`` yields. A loop that only checks each of several is a check.
    """
    if isinstance(statement, ast.For) and not statement.orelse:
        return all(_is_check(each, by=by) for each in statement.body)
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) and ast.Raise in by:
        return ast.unparse(statement.value.func).rpartition(".")[2].lstrip("_").startswith("check")
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.YieldFrom) and ast.Yield in by:
        called = statement.value.value
        return isinstance(called, ast.Call) and ast.unparse(called.func).endswith("_problems")
    if not isinstance(statement, ast.If) or statement.orelse:
        return False
    *before, last = statement.body
    if all(_is_check(each, by=by) for each in statement.body):
        return True
    reports = isinstance(last.value if isinstance(last, ast.Expr) else last, by) or _returns_words(last)
    return reports and all(isinstance(each, _ASSIGNS) for each in before)


def _returns_words(statement: ast.stmt) -> bool:
    """Whether a statement returns a text for people: one that is formed, or one with a space in it."""
    value = statement.value if isinstance(statement, ast.Return) else None
    return isinstance(value, ast.JoinedStr) or (
        isinstance(value, ast.Constant) and isinstance(value.value, str) and " " in value.value
    )


def _exclude_each_other(first: ast.stmt, second: ast.stmt) -> bool:
    """Whether two ways out are taken for different values of the same thing, so that only one of them can be."""
    one, other = _case(first), _case(second)
    return one is not None and other is not None and one[0] == other[0] and one[1] != other[1]


def _case(statement: ast.stmt) -> tuple[str, str] | None:
    """Return what a way out compares first, and the one value, named by a constant or a type, for which it is taken."""
    if not isinstance(statement, ast.If) or statement.orelse or not isinstance(statement.body[-1], _ENDS):
        return None
    test = statement.test
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        test = test.values[0]
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or not isinstance(test.ops[0], ast.Is | ast.Eq):
        return None
    value = test.comparators[0]
    is_constant = (
        isinstance(value, ast.Constant)
        or (isinstance(value, ast.Attribute) and value.attr.isupper())
        or (isinstance(value, ast.Name) and isinstance(getattr(builtins, value.id, None), type))
    )
    return (ast.unparse(test.left), ast.unparse(value)) if is_constant else None


def _typed(statement: ast.stmt) -> str:
    """Return what a statement leaves the block for, if it is None or of some type; otherwise an empty text."""
    if not isinstance(statement, ast.If) or statement.orelse or not isinstance(statement.body[-1], _ENDS):
        return ""
    test = statement.test
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        test = test.values[0]
    if isinstance(test, ast.Compare) and ast.unparse(test).endswith(" is None") and len(test.ops) == 1:
        return ast.unparse(test.left)
    return ast.unparse(test.args[0]) if isinstance(test, ast.Call) and _asks_for_type(test) else ""


def _is_fixed(statement: ast.stmt) -> bool:
    is_docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return is_docstring or isinstance(statement, ast.Import | ast.ImportFrom | ast.Global | ast.Nonlocal | ast.Pass)


def _nodes(tree: ast.AST, kind: type[Node]) -> Iterator[Node]:
    return (node for node in ast.walk(tree) if isinstance(node, kind))

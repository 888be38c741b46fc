"""What a mutation is: one small change of one module's syntax tree, with a name that outlives line numbers.

Words that people read, which is every text with a space in it, annotations and docstrings are left alone.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from typing import TYPE_CHECKING

import attrs

from tests.mutants.changes import changes_of, is_assertion, reordered
from tests.mutants.order import written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Path = tuple[tuple[str, int | None], ...]
"""The way from a node to one below it: fields, and places in lists."""

Chain = tuple[tuple[str, int], ...]
"""The functions around a node, outermost first, by qualified name and first line."""

_SHORT = 100
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


@attrs.frozen(kw_only=True)
class Mutation:
    """One change.

    Attributes:
        module: The file below the package.
        where: The function, or ``module`` for what runs at import.
        told: The smallest piece of source that shows the change, before and after.
        count: Which one, where several are described alike.
        line: Where, for coverage.
        chain: The functions around it.
    """

    module: str
    where: str
    told: str
    count: int = 1
    line: int
    chain: Chain
    make_tree: Callable[[], ast.Module] = attrs.field(repr=False, eq=False)

    @property
    def name(self) -> str:
        """What identifies it as long as the code it changes stays."""
        return f"{self.module} {self.where}: {self.told}" + (f" #{self.count}" if self.count > 1 else "")

    @property
    def tree(self) -> ast.Module:
        """The whole changed module."""
        return ast.fix_missing_locations(self.make_tree())


def mutations_of(module: str, source: str) -> Iterator[Mutation]:
    """Yield every mutation of a module, in the order of the source."""
    tree = ast.parse(source)
    seen: Counter[tuple[str, str]] = Counter()
    for place in _places(tree, _Around(path=(), names=(), chain=(), assigned=frozenset())):
        for change, told in place.changes():
            seen[place.where, told] += 1
            yield Mutation(
                module=module,
                where=place.where,
                told=told,
                count=seen[place.where, told],
                line=place.line,
                make_tree=_maker(tree, place.path, change),
                chain=place.chain,
            )


def _maker(tree: ast.Module, path: Path, change: ast.AST) -> Callable[[], ast.Module]:
    return lambda: _replaced(tree, path, change)  # type: ignore[return-value]  # a module comes of a module


@attrs.frozen(kw_only=True)
class _Around:
    """What is around a node: the way to it, its names, its functions, and the names that have a value there."""

    path: Path
    names: tuple[str, ...]
    chain: Chain
    assigned: frozenset[str]


@attrs.frozen(kw_only=True)
class _Place:
    """Something that may be changed.

    Attributes:
        path: The way to it from the module.
        where: The function that it is in.
        line: Where, for coverage.
        chain: The functions around it.
        changes: Returns what may be put there, and how that is described.
    """

    path: Path
    where: str
    line: int
    chain: Chain
    changes: Callable[[], Iterator[tuple[ast.AST, str]]]


def _places(node: ast.AST, around: _Around) -> Iterator[_Place]:
    shows_more = isinstance(node, ast.expr | ast.keyword) and len(_line(node)) <= _SHORT
    for step, child in _children(node):
        if _is_left_alone(node, step[0], child):
            continue
        inner = attrs.evolve(around, path=(*around.path, step))
        if isinstance(child, ast.stmt | ast.expr):
            yield _place(child, inner, node if shows_more else child, (step,) if shows_more else ())
        if isinstance(child, _FUNCTION):
            yield from _in_function(child, inner)
            continue
        if isinstance(child, ast.ClassDef):
            inner = attrs.evolve(inner, names=(*around.names, child.name))
        elif around.chain:
            yield from _reorderings(child, inner)
        yield from _places(child, inner)


def _in_function(function: ast.FunctionDef | ast.AsyncFunctionDef, around: _Around) -> Iterator[_Place]:
    names = (*around.names, function.name)
    first = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
    qualified = f"{around.chain[-1][0]}.<locals>.{function.name}" if around.chain else ".".join(names)
    if not around.chain:  # the defaults are made when the function is defined
        yield from _defaults(function, attrs.evolve(around, names=names))
    parameters = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
    inner = attrs.evolve(
        around, names=names, chain=(*around.chain, (qualified, first)), assigned=around.assigned | parameters
    )
    yield from _reorderings(function, inner)
    assigned = set(inner.assigned)
    for number, statement in enumerate(function.body):
        if _is_left_alone(function, "body", statement):
            continue
        here = attrs.evolve(inner, path=(*inner.path, ("body", number)), assigned=frozenset(assigned))
        yield _place(statement, here, statement, ())
        if isinstance(statement, _FUNCTION):
            yield from _in_function(statement, here)
        else:
            yield from _reorderings(statement, here)
            yield from _places(statement, here)
        assigned |= written(statement)


def _defaults(function: ast.FunctionDef | ast.AsyncFunctionDef, around: _Around) -> Iterator[_Place]:
    for field in ("defaults", "kw_defaults"):
        for number, default in enumerate(getattr(function.args, field)):
            if default is not None:
                path = (*around.path, ("args", None), (field, number))
                yield _place(default, attrs.evolve(around, path=path), default, ())


def _place(node: ast.expr | ast.stmt, around: _Around, shown: ast.AST, path: Path) -> _Place:
    """Return a node as a place; its changes are shown in the node that the path starts from."""

    def changes() -> Iterator[tuple[ast.AST, str]]:
        before = ""
        for change in changes_of(node):
            before = before or _line(shown)
            yield change, _told(before, _line(_replaced(shown, path, change)))

    return _Place(path=around.path, where=_where(around), line=node.lineno, chain=around.chain, changes=changes)


def _reorderings(node: ast.AST, around: _Around) -> Iterator[_Place]:
    """Yield the pairs of statements in a node's blocks."""
    for changed, (first, second) in reordered(node, around.assigned):
        told = f"{_cut(_line(first))} <-> {_cut(_line(second))}"
        yield _Place(
            path=around.path,
            where=_where(around),
            line=first.lineno,
            chain=around.chain,
            changes=lambda changed=changed, told=told: iter([(changed, told)]),  # type: ignore[misc]  # binds them now
        )


def _where(around: _Around) -> str:
    return ".".join(around.names) or "module"


def _children(node: ast.AST) -> Iterator[tuple[tuple[str, int | None], ast.AST]]:
    for field, value in ast.iter_fields(node):
        if isinstance(value, list):
            yield from (((field, number), child) for number, child in enumerate(value) if isinstance(child, ast.AST))
        elif isinstance(value, ast.AST):
            yield (field, None), value


def _is_left_alone(parent: ast.AST, field: str, child: ast.AST) -> bool:
    if is_assertion(child) or _cuts(parent, child) or _is_display_name(child):
        return True
    if field in {"annotation", "returns", "decorator_list", "type_params"} or isinstance(child, ast.JoinedStr):
        return True
    if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
        return True
    if isinstance(parent, ast.Module) and isinstance(child, ast.Assign | ast.AnnAssign) and _names_a_type(child):
        return True
    if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
        return True  # a docstring, or the body of a protocol
    if isinstance(child, ast.Assign) and ast.unparse(child.targets[0]) in {"__all__", "__slots__"}:
        return True
    if isinstance(child, ast.ClassDef) and any(ast.unparse(base) == "Protocol" for base in child.bases):
        return True
    if isinstance(child, ast.Call) and ast.unparse(child.func) in {"TypeVar", "ParamSpec"}:
        return True  # a type checker alone looks at it
    calls = parent.func if isinstance(parent, ast.Call) else None
    return calls is not None and field == "args" and ast.unparse(calls) == "cast"


def _is_display_name(child: ast.AST) -> bool:
    """Whether a dictionary is a name for people in two languages: what exactly it says is nobody's promise."""
    return (
        isinstance(child, ast.Dict)
        and [key.value if isinstance(key, ast.Constant) else None for key in child.keys] == ["zh", "en"]
        and all(isinstance(value, ast.Constant) for value in child.values)
    )


def _cuts(parent: ast.AST, child: ast.AST) -> bool:
    """Whether a keyword says how much of a foreign text is shown: that it is cut is tried, not to which character."""
    is_limit = isinstance(child, ast.keyword) and child.arg == "limit" and isinstance(child.value, ast.Constant)
    return is_limit and isinstance(parent, ast.Call) and ast.unparse(parent.func) == "clean"


def _names_a_type(assignment: ast.Assign | ast.AnnAssign) -> bool:
    """Whether a module gives a type another name: nothing looks into it when the program runs."""
    if isinstance(assignment, ast.AnnAssign):
        return ast.unparse(assignment.annotation).rpartition(".")[2] == "TypeAlias"
    value = assignment.value
    is_union = isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr)
    return is_union or (isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name))


def _replaced(tree: ast.AST, path: Path, new: ast.AST) -> ast.AST:
    """Return the tree with one node replaced; all that is not on the way to it is shared."""
    if not path:
        return ast.copy_location(new, tree)
    (field, number), *rest = path
    changed, value = copy.copy(tree), getattr(tree, field)
    if number is None:
        setattr(changed, field, _replaced(value, tuple(rest), new))
    else:
        inside = _replaced(value[number], tuple(rest), new)
        setattr(changed, field, [*value[:number], inside, *value[number + 1 :]])
    return changed


def _line(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())


def _told(before: str, after: str) -> str:
    """Return both, each cut to what is around the first difference."""
    same = next((at for at, (old, new) in enumerate(zip(before, after, strict=False)) if old != new), len(before))
    start = 0 if len(before) <= _SHORT else max(0, same - _SHORT // 2)
    return " -> ".join(("..." if start else "") + _cut(text[start:]) for text in (before, after))


def _cut(text: str) -> str:
    return text if len(text) <= _SHORT else text[: _SHORT - 3] + "..."

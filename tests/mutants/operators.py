"""What a mutation may be: one small change of one module's syntax tree, told in words that outlive line numbers.

Words that people read, which is every text with a space in it, annotations and docstrings are left alone.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

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
_SHORT = 100


@attrs.frozen(kw_only=True)
class Mutation:
    """One change.

    Attributes:
        module: The file below the package.
        where: The function, or ``module`` for what runs at import.
        told: The smallest piece of source that shows the change, before and after.
        count: Which one, where several are told alike.
        line: Where, for coverage.
        tree: The whole changed module.
        chain: The functions around it, outermost first, by qualified name and first line.
    """

    module: str
    where: str
    told: str
    count: int = 1
    line: int
    tree: ast.Module = attrs.field(repr=False)
    chain: tuple[tuple[str, int], ...]

    @property
    def part(self) -> str:
        """The part of the library that it is in."""
        return self.module.partition("/")[0]

    @property
    def name(self) -> str:
        """What identifies it as long as the code it changes stays."""
        return f"{self.module} {self.where}: {self.told}" + (f" #{self.count}" if self.count > 1 else "")


def mutations_of(module: str, source: str) -> Iterator[Mutation]:
    """Yield every mutation of a module, in the order of the source."""
    tree = ast.parse(source)
    seen: Counter[tuple[str, str]] = Counter()
    for place in _places(tree, [], ()):
        for change in _changes(place.node):
            told = _told(_line(place.shown), _line(_replaced(place.shown, place.node, change)))
            seen[place.where, told] += 1
            yield Mutation(
                module=module,
                where=place.where,
                told=told,
                count=seen[place.where, told],
                line=place.node.lineno,
                tree=ast.fix_missing_locations(_replaced(tree, place.node, change)),
                chain=place.chain,
            )


@attrs.frozen(kw_only=True)
class _Place:
    """A node that may be changed, and the piece of source in which the change is shown."""

    node: ast.expr | ast.stmt
    shown: ast.AST
    where: str
    chain: tuple[tuple[str, int], ...]


def _places(node: ast.AST, names: list[str], chain: tuple[tuple[str, int], ...]) -> Iterator[_Place]:
    shows_more = isinstance(node, ast.expr | ast.keyword) and len(_line(node)) <= _SHORT
    for field, child in _children(node):
        if _is_left_alone(node, field, child):
            continue
        if isinstance(child, ast.stmt | ast.expr):
            yield _Place(
                node=child, shown=node if shows_more else child, where=".".join(names) or "module", chain=chain
            )
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            inside = [*names, child.name]
            first = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
            qualified = f"{chain[-1][0]}.<locals>.{child.name}" if chain else ".".join(inside)
            yield from _around(child, names, chain)
            for statement in child.body:
                holder = ast.Module(body=[statement], type_ignores=[])
                yield from _places(holder, inside, (*chain, (qualified, first)))
        elif isinstance(child, ast.ClassDef):
            yield from _places(child, [*names, child.name], chain)
        else:
            yield from _places(child, names, chain)


def _around(function: ast.FunctionDef | ast.AsyncFunctionDef, names: list[str], chain: object) -> Iterator[_Place]:
    """Yield the defaults of a function: they are made when it is defined."""
    for default in (*function.args.defaults, *function.args.kw_defaults):
        if default is not None and not chain:
            yield _Place(node=default, shown=default, where=".".join([*names, function.name]), chain=())


def _children(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield field, child


def _is_left_alone(parent: ast.AST, field: str, child: ast.AST) -> bool:
    if field in {"annotation", "returns", "decorator_list", "type_params"} or isinstance(child, ast.JoinedStr):
        return True
    if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
        return True
    if isinstance(parent, ast.Module) and isinstance(child, ast.Assign) and isinstance(child.value, ast.BinOp):
        return isinstance(child.value.op, ast.BitOr)  # a type's other name
    if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
        return True  # a docstring, or the body of a protocol
    if isinstance(child, ast.Assign) and ast.unparse(child.targets[0]) in {"__all__", "__slots__"}:
        return True
    if isinstance(child, ast.ClassDef) and any(ast.unparse(base) == "Protocol" for base in child.bases):
        return True
    # An error's words, and what a type checker alone looks at.
    calls = parent.func if isinstance(parent, ast.Call) else None
    return calls is not None and field == "args" and ast.unparse(calls) in {"cast", "TypeVar", "ParamSpec"}


def _changes(node: ast.AST) -> Iterator[ast.AST]:  # noqa: C901, PLR0912 - one case for each kind of node
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for operator in COMPARISONS[type(node.ops[0])]:
            yield _evolved(node, ops=[operator()])
    elif isinstance(node, ast.Compare):
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
        for number in range(len(node.keywords)):
            yield _evolved(node, keywords=[*node.keywords[:number], *node.keywords[number + 1 :]])
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
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield | ast.YieldFrom):
        yield ast.Expr(ast.YieldFrom(ast.Tuple([], ast.Load())))  # nothing comes, and it stays a generator
    elif isinstance(node, ast.Expr | ast.AugAssign | ast.Raise | ast.Continue | ast.Break | ast.Delete):
        yield ast.Pass()


def _other_constants(node: ast.Constant) -> Iterator[ast.Constant]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int | float):
        yield ast.Constant(value + 1)
    elif isinstance(value, str) and " " not in value:
        yield ast.Constant(value + "x")


def _is_nothing(node: ast.AST) -> bool:
    """Tell whether it is None, or False, which says the same to whoever asks for yes or no."""
    return isinstance(node, ast.Constant) and node.value in {None, False}


def _evolved(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _replaced(tree: ast.AST, old: ast.AST, new: ast.AST) -> ast.Module:
    """Return the tree with one node replaced; all that is not on the way to it is shared."""
    if tree is old:
        return ast.copy_location(new, old)  # type: ignore[return-value]  # a module comes of a module
    changed = copy.copy(tree)
    for name, value in ast.iter_fields(tree):
        if isinstance(value, list) and any(_holds(child, old) for child in value):
            setattr(changed, name, [_replaced(child, old, new) if _holds(child, old) else child for child in value])
        elif _holds(value, old):
            setattr(changed, name, _replaced(value, old, new))
    return changed  # type: ignore[return-value]  # the same


def _holds(node: object, wanted: ast.AST) -> bool:
    return isinstance(node, ast.AST) and (node is wanted or any(_holds(child, wanted) for _, child in _children(node)))


def _line(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())


def _told(before: str, after: str) -> str:
    """Return both, each cut to what is around the first difference."""
    same = next((at for at, (old, new) in enumerate(zip(before, after, strict=False)) if old != new), len(before))
    start = 0 if len(before) <= _SHORT else max(0, same - _SHORT // 2)
    return " -> ".join(("..." if start else "") + _cut(text[start:]) for text in (before, after))


def _cut(text: str) -> str:
    return text if len(text) <= _SHORT else text[: _SHORT - 3] + "..."

"""Checks that a value has the types that its class declares, so that the stored value can be read again.

A type checker checks only the code that it runs on. Evidence also comes from hosts, command lines and task queues. An
entry with a number where a string is declared could never be read.
"""

from __future__ import annotations

import datetime as dt
import enum
import functools
import itertools
import math
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import attrs

from itsm_workflow.readonly import ReadOnlyDict
from itsm_workflow.text import plain, unstorable, with_article

Problems: TypeAlias = Iterable[tuple[str, str]]
"""``(path below the value, rule)`` for every problem of a value."""

Check: TypeAlias = Callable[[object], Problems]

_DEPTH = 64
_KEYS = 500
_SIZE = 1024 * 1024
_LISTED, _SHOWN = 8, 300
_STORED = (
    "declare it as str, int, float, bool, datetime.datetime, an enum.StrEnum, an attrs class, or a list, tuple or dict "
    "of one of these"
)
_INSTEAD: Mapping[str, str] = {
    "Decimal": "declare it as str, or as int in the smallest unit",
    "date": "declare it as str, such as '2026-03-02', or as datetime.datetime",
    "timedelta": "declare it as a number of seconds",
}
_BITS = 1024  # beyond the range of a double, other JSON readers return infinity


class _TooLargeError(Exception):
    """A JSON value has more items and characters than the check visits."""


class UndeclarableError(TypeError):
    """An annotation that has no stored form."""


def wrong_values(value: object) -> list[str]:
    """Return the problems of an instance of an attrs class, as ``field must be …``; empty if it can be stored.

    Mappings and JSON values are limited to the size of a form's. At most the first problems are returned.
    """
    return _listed(_check_of(typing.cast("Any", type(value)))(value))


def plain_texts(value: object) -> object:
    """Return an instance of an attrs class with every value that is declared as `str` as a plain string."""
    return _plain_of(typing.cast("Any", type(value)))(value)


@functools.cache
def _plain_of(kind: Any) -> Callable[[object], Any]:  # noqa: ANN401 - any annotation; a wrong value is returned unchanged
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is str:
        return plain
    if origin in {typing.Union, types.UnionType}:
        inner = _plain_of(next(one for one in arguments if one is not types.NoneType))
        return lambda value: None if value is None else inner(value)
    if origin in {tuple, list} and arguments:
        inner = _plain_of(arguments[0])
        return lambda value: origin(map(inner, value)) if isinstance(value, origin) else value
    if origin in {Mapping, dict} and arguments[1] is str:
        return _plain_mapping
    if isinstance(kind, type) and attrs.has(kind):
        return functools.partial(_plain_fields, kind)
    return lambda value: value


def _plain_mapping(value: object) -> object:
    if not isinstance(value, dict | types.MappingProxyType) or _collides(value):
        return value  # the check rejects it
    return ReadOnlyDict({plain(key): plain(one) for key, one in value.items()})


def _plain_fields(kind: Any, value: Any) -> object:  # noqa: ANN401 - an attrs class, and what should be an instance of it
    if type(value) is not kind:
        return value
    hints = typing.get_type_hints(kind)
    fields = [field for field in attrs.fields(kind) if field.init]
    old = {str(field.alias): getattr(value, field.name) for field in fields}
    new = {str(field.alias): _plain_of(hints.get(field.name, Any))(getattr(value, field.name)) for field in fields}
    return value if all(new[name] is old[name] for name in old) else attrs.evolve(value, **new)


def _collides(value: Mapping[Any, object]) -> bool:
    """Return whether two keys are equal as plain strings."""
    return len({plain(key) for key in value}) < len(value)


def wrong_declarations(kind: type) -> list[str]:
    """Return the reasons why instances of an attrs class cannot be stored and read again; empty if they can."""
    found, seen, open_kinds = [], {kind}, [kind]
    while open_kinds:
        current = open_kinds.pop()
        try:
            hints = typing.get_type_hints(current)
        except (NameError, TypeError) as error:
            found.append(f"the annotations of {current.__name__} cannot be resolved at run time ({error})")
            continue
        for field in attrs.fields(current):
            hint = hints.get(field.name, Any)
            try:
                _check_of(hint)
            except UndeclarableError as error:
                instead = _INSTEAD.get(str(error), _STORED)
                found.append(
                    f"{current.__name__}.{field.name} is declared as {error}, which has no stored form; {instead}"
                )
            inner = {one for one in (hint, *typing.get_args(hint)) if isinstance(one, type) and attrs.has(one)}
            open_kinds += sorted(inner - seen, key=lambda one: one.__name__)
            seen |= inner
    return found


def wrong_json(value: object) -> list[str]:
    """Return the parts of a value that have no JSON form, as ``path must be …``; empty if every part has one."""
    return _listed(_json(value))


def _listed(problems: Problems) -> list[str]:
    """Return the first problems, each on one line of limited length."""
    first = list(itertools.islice(problems, _LISTED + 1))
    if not first:
        return []
    lines = [f"{path.lstrip('.')[:_SHOWN] or 'it'} {rule[:_SHOWN]}" for path, rule in first[:_LISTED]]
    return [*lines, "and more"] if len(first) > _LISTED else lines


@functools.cache
def _check_of(kind: Any) -> Check:  # noqa: ANN401 - any annotation; one branch for each kind of annotation
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in {typing.Union, types.UnionType}:
        return _optional(kind, arguments)
    if origin is typing.Literal:
        return _literal(arguments)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:  # noqa: PLR2004 - tuple[item, ...]
        return _sequence(tuple, arguments[0])
    if origin is list:
        return _sequence(list, arguments[0])
    if origin in {Mapping, dict} and arguments[0] is str:
        return _mapping(arguments[1])
    if isinstance(kind, type) and issubclass(kind, enum.StrEnum):
        return _instance(kind, f"must be one of {', '.join(kind)} as {kind.__name__}")
    if isinstance(kind, type) and attrs.has(kind):
        return _fields(kind)
    raise UndeclarableError(getattr(kind, "__name__", None) or str(kind))


def _optional(kind: object, arguments: tuple[Any, ...]) -> Check:
    others = [one for one in arguments if one is not types.NoneType]
    if len(others) != 1:
        raise UndeclarableError(str(kind))
    inner = _check_of(others[0])
    return lambda value: () if value is None else inner(value)


def _literal(values: tuple[object, ...]) -> Check:
    def check(value: object) -> Problems:
        if any(type(value) is type(one) and value == one for one in values):
            return ()
        return [("", f"must be one of {', '.join(map(repr, values))}, not {type(value).__name__}")]

    return check


def _sequence(kind: type[tuple[Any, ...] | list[Any]], item: Any) -> Check:  # noqa: ANN401 - any annotation
    inner = _check_of(item)

    def check(value: object) -> Iterator[tuple[str, str]]:
        if not isinstance(value, kind):
            yield "", _must_be(with_article(kind.__name__), value)
            return
        for number, one in enumerate(value):
            for path, rule in inner(one):
                yield f"[{number}]{path}", rule

    return check


def _mapping(item: Any) -> Check:  # noqa: ANN401 - any annotation
    inner = _check_of(item)

    def check(value: object) -> Iterator[tuple[str, str]]:
        if not isinstance(value, dict | types.MappingProxyType):
            yield "", _must_be("a dict", value)
            return
        if len(value) > _KEYS:
            yield "", f"must have at most {_KEYS} keys, and has {len(value)}"
            return
        if sum(len(one) for pair in value.items() for one in pair if isinstance(one, str)) > _SIZE:
            yield "", f"must have at most {_SIZE} characters"
            return
        if _collides(value):
            yield "", "must have each key once"
        for key, one in value.items():
            for _, rule in _text(key):
                yield "", f"has a key that {rule}"
            for path, rule in inner(one):
                yield f".{key}{path}", rule

    return check


def _fields(kind: type) -> Check:
    @functools.cache
    def checks() -> tuple[tuple[str, Check], ...]:
        hints = typing.get_type_hints(kind)
        return tuple((field.name, _check_of(hints.get(field.name, Any))) for field in attrs.fields(kind))

    def check(value: object) -> Iterator[tuple[str, str]]:
        if not isinstance(value, kind):
            yield "", _must_be(with_article(kind.__name__), value)
            return
        for name, inner in checks():
            for path, rule in inner(getattr(value, name)):
                yield f".{name}{path}", rule

    return check


def _instance(kind: type, rule: str) -> Check:
    def check(value: object) -> Problems:
        return () if isinstance(value, kind) else [("", f"{rule}, not {type(value).__name__}")]

    return check


def _text(value: object) -> Problems:
    if not isinstance(value, str):
        return [("", _must_be("text", value))]
    rule = unstorable(value)
    return [("", rule)] if rule else ()


def _truth(value: object) -> Problems:
    return () if isinstance(value, bool) else [("", _must_be("True or False", value))]


def _whole(value: object) -> Problems:
    if type(value) is not int:
        return [("", _must_be("a whole number", value))]
    return [("", f"must be a whole number of at most {_BITS} bits")] if value.bit_length() > _BITS else ()


def _number(value: object) -> Problems:
    if type(value) is not float:
        return [("", _must_be("a float", value))]
    return () if math.isfinite(value) else [("", f"must be a finite number, not {value}")]


def _time(value: object) -> Problems:
    if not isinstance(value, dt.datetime):
        return [("", _must_be("a datetime", value))]
    return [("", "must have a time zone")] if value.tzinfo is None else ()


def _json(value: object) -> Iterator[tuple[str, str]]:
    try:
        yield from _json_part(value, _DEPTH, [0])
    except _TooLargeError:
        yield "", f"must have at most {_SIZE} values and characters"


def _json_part(value: object, depth: int, seen: list[int]) -> Iterator[tuple[str, str]]:
    # The same list can be nested several times. Each copy counts, since each copy would be stored.
    seen[0] += 1 + (len(value) if isinstance(value, str) else 0)
    if seen[0] > _SIZE:
        raise _TooLargeError
    if depth == 0:
        yield "", f"must not be nested deeper than {_DEPTH} levels"
    elif isinstance(value, list | tuple):
        for number, one in enumerate(value):
            for path, rule in _json_part(one, depth - 1, seen):
                yield f"[{number}]{path}", rule
    elif isinstance(value, dict | types.MappingProxyType):
        yield from _json_object(value, depth, seen)
    else:
        yield from _json_scalar(value)


def _json_object(value: Mapping[Any, object], depth: int, seen: list[int]) -> Iterator[tuple[str, str]]:
    if _collides(value):
        yield "", "must have each key once"
    for key, one in value.items():
        seen[0] += len(key) if isinstance(key, str) else 0
        for _, rule in _text(key):
            yield "", f"has a key that {rule}"
        for path, rule in _json_part(one, depth - 1, seen):
            yield f".{key}{path}", rule


def _json_scalar(value: object) -> Iterator[tuple[str, str]]:
    if value is None or isinstance(value, bool):
        return
    for kind, check in ((str, _text), (int, _whole), (float, _number)):
        if isinstance(value, kind):
            yield from check(kind(value))
            return
    yield "", f"must be a JSON value, not {type(value).__name__}"


def _must_be(what: str, value: object) -> str:
    return f"must be {what}, not {type(value).__name__}"


_PLAIN: Mapping[Any, Check] = {
    bool: _truth,
    int: _whole,
    float: _number,
    str: _text,
    dt.datetime: _time,
    object: _json,
    Any: _json,
}

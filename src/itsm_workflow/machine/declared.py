"""Whether a value is what its class declares, so that what is stored of it can be read again.

A type checker sees only code that it is run on. Evidence comes from hosts, command lines and task queues as well, and
an entry that holds a number where a text is declared could never be read.
"""

from __future__ import annotations

import datetime as dt
import enum
import functools
import math
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import attrs

Check: TypeAlias = Callable[[object], Iterator[tuple[str, str]]]
"""Yields ``(path below the value, rule)`` for everything that is wrong with a value."""

_DEPTH = 64
_BITS = 1024  # beyond a double's range, other readers of JSON see infinity


class UndeclarableError(TypeError):
    """An annotation that has no stored form."""


def wrong_values(value: object) -> list[str]:
    """Return what is wrong with an instance of an attrs class, as ``field must be …``; empty if it can be stored."""
    return [f"{path.lstrip('.')} {rule}" for path, rule in _check_of(typing.cast("Any", type(value)))(value)]


def wrong_declarations(kind: type) -> list[str]:
    """Return why instances of an attrs class could not be stored and read again; empty if they could."""
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
                found.append(f"{current.__name__}.{field.name} is declared as {error}, which has no stored form")
            inner = {one for one in (hint, *typing.get_args(hint)) if isinstance(one, type) and attrs.has(one)}
            open_kinds += sorted(inner - seen, key=lambda one: one.__name__)
            seen |= inner
    return found


def wrong_json(value: object) -> list[str]:
    """Return what of a value has no JSON form, as ``path must be …``; empty if all of it has one."""
    return [f"{path.lstrip('.') or 'it'} {rule}" for path, rule in _json(value)]


@functools.cache
def _check_of(kind: Any) -> Check:  # noqa: ANN401 - any annotation; one answer for each sort of them
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
    return lambda value: iter(()) if value is None else inner(value)


def _literal(values: tuple[object, ...]) -> Check:
    def check(value: object) -> Iterator[tuple[str, str]]:
        if not any(type(value) is type(one) and value == one for one in values):
            yield "", f"must be one of {', '.join(map(repr, values))}, not {type(value).__name__}"

    return check


def _sequence(kind: type[tuple[Any, ...] | list[Any]], item: Any) -> Check:  # noqa: ANN401 - any annotation
    inner = _check_of(item)

    def check(value: object) -> Iterator[tuple[str, str]]:
        if not isinstance(value, kind):
            yield "", _must_be(f"a {kind.__name__}", value)
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
            yield "", _must_be(f"a {kind.__name__}", value)
            return
        for name, inner in checks():
            for path, rule in inner(getattr(value, name)):
                yield f".{name}{path}", rule

    return check


def _instance(kind: type, rule: str) -> Check:
    def check(value: object) -> Iterator[tuple[str, str]]:
        if not isinstance(value, kind):
            yield "", f"{rule}, not {type(value).__name__}"

    return check


def _text(value: object) -> Iterator[tuple[str, str]]:
    if not isinstance(value, str):
        yield "", _must_be("text", value)
        return
    try:
        value.encode()
    except UnicodeEncodeError:
        yield "", "must not have lone surrogates"


def _truth(value: object) -> Iterator[tuple[str, str]]:
    if not isinstance(value, bool):
        yield "", _must_be("True or False", value)


def _whole(value: object) -> Iterator[tuple[str, str]]:
    if type(value) is not int:
        yield "", _must_be("a whole number", value)
    elif value.bit_length() > _BITS:
        yield "", f"must be a whole number of at most {_BITS} bits"


def _number(value: object) -> Iterator[tuple[str, str]]:
    if type(value) is not float:
        yield "", _must_be("a float", value)
    elif not math.isfinite(value):
        yield "", f"must be a finite number, not {value}"


def _time(value: object) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dt.datetime):
        yield "", _must_be("a datetime", value)
    elif value.tzinfo is None:
        yield "", "must have a time zone"


def _json(value: object, depth: int = _DEPTH) -> Iterator[tuple[str, str]]:
    if depth == 0:
        yield "", f"must not be nested deeper than {_DEPTH} levels"
    elif isinstance(value, list | tuple):
        for number, one in enumerate(value):
            for path, rule in _json(one, depth - 1):
                yield f"[{number}]{path}", rule
    elif isinstance(value, dict | types.MappingProxyType):
        for key, one in value.items():
            for _, rule in _text(key):
                yield "", f"has a key that {rule}"
            for path, rule in _json(one, depth - 1):
                yield f".{key}{path}", rule
    else:
        yield from _json_scalar(value)


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

"""Strict JSON: values are not coerced, and each value has one text.

No other module converts between JSON and instances of classes, neither for the store nor for the answers of a gateway.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import enum
import functools
import json
import math
from collections import Counter
from collections.abc import Mapping
from operator import itemgetter
from types import GenericAlias, MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, get_origin

import attrs

from itsm_workflow.clock import from_micros, to_micros
from itsm_workflow.exports import lazy_module
from itsm_workflow.readonly import ReadOnlyDict
from itsm_workflow.text import kind_of, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    import cattrs
    import msgspec
else:
    # Most programs that import this module use its JSON texts first, or alone.
    cattrs, msgspec = lazy_module("cattrs"), lazy_module("msgspec")

V = TypeVar("V")

_DEPTH = 64
_SHOWN = 60
_BITS = 1024  # other JSON readers see infinity for a number beyond the range of a double


def _as_plain(value: object) -> object:
    """Return an instance of a subclass of a plain type as that type, for the encoder, which refuses subclasses."""
    if isinstance(value, str | int | float):
        return _scalar(value)
    raise TypeError(f"{kind_of(value)} has no JSON form")


_canonical_encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@functools.cache
def _encoder() -> msgspec.json.Encoder:
    return msgspec.json.Encoder(enc_hook=_as_plain, order="sorted")


def canonical(value: object) -> str:
    """Return the canonical JSON text of a JSON value: sorted keys, no spaces, no NaN, characters not escaped."""
    return _canonical_encoder.encode(value)


def stored_text(value: object) -> str:
    """Return the text that is stored for a value that a converter of this module has unstructured.

    It is the canonical text, but for numbers that are written with an exponent: 1e16, not 1e+16.

    Raises:
        UnicodeEncodeError: A text in the value has a lone surrogate.
    """
    return _encoder().encode(value).decode()


def parse(text: str) -> object:
    """Return the JSON value of a text.

    Raises:
        ValueError: The text is not JSON, contains NaN or Infinity, or has a duplicate key.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("the JSON text is nested too deeply") from None


class TooLargeError(ValueError):
    """A value would be expanded to more characters than its `SizeLimit` allows."""


class SizeLimit:
    """A limit on the total size of values from outside, in which the same list can occur in many places.

    Args:
        characters: The number of characters of JSON that may be expanded, not counting escapes.
    """

    def __init__(self, characters: int) -> None:
        self._left = characters

    def take(self, characters: int) -> None:
        """Count characters that were expanded.

        Raises:
            TooLargeError: The limit is exceeded.
        """
        self._left -= characters
        if self._left < 0:
            raise TooLargeError("is too large")


def json_value(value: object, depth: int = _DEPTH, limit: SizeLimit | None = None) -> object:
    """Return a copy of a JSON value, made of lists, dicts with sorted keys, plain strings and plain numbers.

    Args:
        value: The value.
        depth: The number of nested levels that it may have.
        limit: The limit on the size of the copy; by default it is not limited.

    Raises:
        TooLargeError: The copy exceeds the limit.
        ValueError: The value contains something that JSON cannot represent exactly, or a duplicate key.
    """
    if depth == 0:
        raise ValueError(f"is nested deeper than {_DEPTH} levels")
    if limit is not None:
        limit.take(_least(value))
    if value is None or isinstance(value, str | bool | int | float):
        return _scalar(value)
    if isinstance(value, list | tuple):
        return [json_value(item, depth - 1, limit) for item in value]
    if isinstance(value, dict | MappingProxyType):
        fresh: dict[str, object] = {}
        for key, item in value.items():
            name = plain(key)
            if not isinstance(name, str):
                raise ValueError("has a key that is not a string")  # noqa: TRY004 - the error is about the whole value
            if name in fresh:
                raise ValueError(f"names the key {name[:_SHOWN]!r} twice")
            if limit is not None:
                limit.take(_least(name) + 1)  # the colon
            fresh[name] = json_value(item, depth - 1, limit)
        return by_key(fresh)
    raise ValueError(f"is {kind_of(value)}, which has no JSON form")


def by_key(mapping: Mapping[str, V]) -> dict[str, V]:
    """Return a copy of a mapping in the order of its keys, in which canonical text has them."""
    return dict(sorted(mapping.items(), key=itemgetter(0)))


def _least(value: object) -> int:
    """Return the minimum number of characters of a value as JSON, without the members of a list or dict."""
    if isinstance(value, str):
        return len(value) + 2
    if isinstance(value, list | tuple | dict | MappingProxyType):
        return 2 + max(0, len(value) - 1)
    return 1


def _scalar(value: object) -> object:
    """Return a scalar as an instance of the plain type; a subclass may override how `str` and `int` convert it."""
    if isinstance(value, int) and not isinstance(value, bool):
        whole = int.__index__(value)
        if whole.bit_length() > _BITS:
            raise ValueError(f"is a whole number of more than {_BITS} bits")
        return whole
    if isinstance(value, float):
        number = float.__float__(value)
        if not math.isfinite(number):
            raise ValueError(f"{number} has no JSON form")
        return number
    return plain(value)


@functools.cache
def strict_converter(*, integer_times: bool = False) -> cattrs.Converter:
    """Return the converter of stored values: unknown keys are refused, times are RFC 3339 text in UTC.

    All callers share it, because cattrs generates and compiles code for each class that a converter is used with.

    Args:
        integer_times: Read times as integer microseconds instead, as schema 1 stored them.
    """
    converter = _exact_converter(cattrs.Converter(omit_if_default=True, forbid_extra_keys=True))
    converter.register_structure_hook_func(_is(object), lambda value, _: json_value(value))
    converter.register_structure_hook_func(_is(dt.datetime), _integer_time if integer_times else _time)
    converter.register_structure_hook_func(_is_mapping, _frozen_mapping(converter))
    _write_plain_values(converter)
    converter.register_unstructure_hook_func(_is(dt.datetime), to_micros if integer_times else time_text)
    return converter


def make_writer() -> cattrs.Converter:
    """Return a new converter that makes the values for `stored_text`, for a caller that registers hooks of its own.

    Times are left to the encoder, which writes the text that `strict_converter` makes in less time.
    """
    converter = cattrs.Converter(omit_if_default=True)
    _write_plain_values(converter)
    converter.register_unstructure_hook_func(_is(dt.datetime), in_utc)
    return converter


def _write_plain_values(converter: cattrs.Converter) -> None:
    # By class: cattrs has a hook for str, which would take precedence for a StrEnum.
    converter.register_unstructure_hook(enum.StrEnum, lambda member: member.value)
    converter.register_unstructure_hook(float, json_value)
    converter.register_unstructure_hook_func(_is(object), json_value)
    converter.register_unstructure_hook_func(_is_mapping, json_value)


@functools.cache
def answer_converter() -> cattrs.Converter:
    """Return the converter of a gateway's answers: unknown keys are ignored."""
    return _exact_converter(cattrs.Converter())


def _exact_converter(converter: cattrs.Converter) -> cattrs.Converter:
    """Let a converter accept each JSON type only for itself, and return it."""
    for kind in (bool, int, float, str):
        # By class: cattrs uses its own lenient hooks for these before any hook that is registered with a predicate.
        converter.register_structure_hook(kind, _exactly(kind))
    converter.register_structure_hook_factory(_is_sequence, _from_list)
    converter.register_structure_hook_factory(attrs.has, _from_object)
    return converter


def explain(error: Exception) -> str:
    """Return the message of a converter's error, with the path of each field, without the values."""
    if isinstance(error, cattrs.errors.BaseValidationError):
        return "; ".join(cattrs.transform_error(error, format_exception=lambda exc, _kind: _short(exc)))
    return _short(error)


def error_places(error: Exception, root: str) -> list[str]:
    """Return the paths of the fields that a converter refused, without the values.

    Args:
        error: The converter's error.
        root: The name of the whole value, with which each path begins.
    """
    lines = cattrs.transform_error(error, root, lambda *_: "")
    return [line.partition(" @ ")[2] for line in lines]


def _short(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return "is missing"
    if isinstance(error, cattrs.errors.StructureHandlerNotFoundError):
        return "has a type that cannot be stored"
    return str(error) or type(error).__name__


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"a JSON object has the duplicate key {twice[:_SHOWN]!r}")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _is(wanted: type) -> Callable[[Any], bool]:
    return lambda kind: kind is wanted


def _exactly(wanted: type) -> Callable[[object, Any], object]:
    def structure(value: object, kind: Any) -> object:  # noqa: ANN401 - an annotation
        if _is_enum(kind):  # a subclass of str, so cattrs calls this hook for it as well
            return _enum_member(value, kind)
        if type(value) is not wanted:
            raise TypeError(f"must be of type {wanted.__name__}, not {type(value).__name__}")
        return value

    return structure


def _is_enum(kind: Any) -> bool:  # noqa: ANN401 - cattrs passes every kind of annotation
    return isinstance(kind, type) and issubclass(kind, enum.StrEnum)


def _enum_member(value: object, kind: type[enum.StrEnum]) -> enum.StrEnum:
    if type(value) is not str or value not in kind._value2member_map_:
        raise ValueError(f"must be one of {', '.join(kind)}")
    return kind(value)


def in_utc(moment: dt.datetime) -> dt.datetime:
    """Return an aware time in UTC.

    Raises:
        ValueError: The time has no time zone.
    """
    if moment.tzinfo is dt.UTC:
        return moment
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone; give an aware datetime")
    return moment.astimezone(dt.UTC)


def time_text(moment: dt.datetime) -> str:
    """Return an aware time as RFC 3339 text in UTC, with six digits for the fraction unless it is zero.

    Raises:
        ValueError: The time has no time zone.
    """
    return in_utc(moment).isoformat().removesuffix("+00:00") + "Z"


def _time(value: object, _kind: object) -> dt.datetime:
    moment = None
    if type(value) is str:
        with contextlib.suppress(ValueError):
            moment = dt.datetime.fromisoformat(value)
    # A time has many spellings; only the one that `time_text` writes is accepted.
    if moment is None or moment.tzinfo is None or time_text(moment) != value:
        raise ValueError("must be an RFC 3339 time in UTC, such as 2026-03-02T08:00:00Z")
    return moment


def _integer_time(value: object, _kind: object) -> dt.datetime:
    if type(value) is not int:
        raise TypeError(f"must be integer microseconds, not {type(value).__name__}")
    return from_micros(value)


def _is_sequence(kind: Any) -> bool:  # noqa: ANN401 - cattrs passes every kind of annotation
    return get_origin(kind) in {tuple, list}


def _from_list(kind: Any, converter: cattrs.Converter) -> Callable[[object, Any], object]:  # noqa: ANN401 - an annotation
    sequence, whole = get_origin(kind), GenericAlias(list, kind.__args__[:1])
    items = cattrs.cols.list_structure_factory(whole, converter)  # type: ignore[arg-type] # it takes an annotation

    def structure(value: object, _kind: Any) -> object:  # noqa: ANN401 - the same annotation
        # cattrs itself would accept the characters of a string, or the keys of an object.
        if type(value) is not list:
            raise TypeError(f"must be a list, not {type(value).__name__}")
        return sequence(items(value, whole))

    return structure


def _from_object(kind: Any, converter: cattrs.Converter) -> Callable[[object, Any], object]:  # noqa: ANN401 - a class
    fields = cattrs.gen.make_dict_structure_fn(kind, converter)

    def structure(value: object, _kind: Any) -> object:  # noqa: ANN401 - the same class
        if type(value) is not dict:
            raise TypeError(f"must be an object, not {type(value).__name__}")
        return fields(value, kind)

    return structure


def _is_mapping(kind: Any) -> bool:  # noqa: ANN401 - cattrs passes every kind of annotation
    return get_origin(kind) in {Mapping, dict}


def _frozen_mapping(converter: cattrs.Converter) -> Callable[[object, Any], Mapping[str, object]]:
    def structure(value: object, kind: Any) -> Mapping[str, object]:  # noqa: ANN401 - an annotation
        if type(value) is not dict:
            raise TypeError(f"must be an object, not {type(value).__name__}")
        _, item = kind.__args__
        return ReadOnlyDict({key: converter.structure(one, item) for key, one in value.items()})

    return structure

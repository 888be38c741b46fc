"""Sampled evidence for a change: a small domain for each field, and as many combinations as are worth the time.

The samples are deterministic, so a run can be repeated, and no test tool is needed.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import enum
import inspect
import itertools
import math
import types
import typing
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.failures import failures_in_a_test
from itsm_workflow.lint.domains import DECISIONS, LOOKS, CannotSampleError, fields_of, own_values
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.evidence import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import Transition, WorkflowDefinition

MOST = 96
"""The most combinations of one type's fields that are tried on one change."""

_DEEPEST = 3
_PARTS = 4
_CONSTANTS = 20
_WORDS_JOINED = 5
_LONGEST_TEXT = 200
LONGEST_LIST = 40
"""The largest number of values in a list that is tried because a constant says so."""

_LISTS = 8
_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53)
_WORDS: Mapping[str, Sequence[object]] = {"decision": (None, *DECISIONS)}
_READ = {"ambiguous": False, "inconclusive": "", "differences": ()}


def samples(
    kind: type, change: ChangeRequest, now: dt.datetime, *, constants: Iterable[object] = (), most: int = MOST
) -> list[Any]:
    """Return evidence of a type: first a sample in which every field matches the change, then combinations.

    Args:
        kind: An attrs class.
        change: The source of the key, the ticket, the effect and so on.
        now: The current time.
        constants: The values that the guards compare with; the domains of texts and numbers hold them and their
            neighbours.
        most: The largest number of combinations.

    Raises:
        CannotSampleError: The annotations of the fields cannot be read, or the validators refuse every combination.
    """
    domains = _fields(kind, _Domains(kind, change, now, tuple(constants)), 0)
    aimed = {name: domain[0] for name, domain in domains.items()}
    looks = [{**aimed, **_READ, "result_status": look["status"], **look} for look in LOOKS]
    looks = looks if issubclass(kind, Snapshot) else []
    made, refused = [], ""
    for values in (aimed, *_one_otherwise(domains), *looks, *_combinations(domains, most)):
        try:
            made.append(kind(**values))
        except failures_in_a_test() as error:  # validators may refuse in any way
            refused = f"{type(error).__name__}: {error}"
    if not made:
        raise CannotSampleError(f"its validators refuse every combination of its fields: {refused}")
    return made


def constants_of(definition: WorkflowDefinition, trigger: str) -> tuple[object, ...]:
    """Return the values that the guards and updates of a trigger compare with, and for a host's trigger more of them.

    These are texts made of them, and a number beyond all of them.
    """
    found: list[object] = []
    updated: list[object] = []
    for row in definition.transitions:
        if row.trigger == trigger:
            is_hosts = not isinstance(row.trigger, Trigger)
            for constant in _constants(row.guard, follows=is_hosts):
                found += constant if isinstance(constant, tuple | frozenset) else (constant,)
            found += _joined(found) if is_hosts else ()
            if is_hosts:  # an update may branch, too; its texts are mostly names of data
                updated += numbers_of(row.update)
                # A due rule may branch by the size of a list that an update keeps.
                updated += itertools.chain(*(numbers_of(definition.due.get(one)) for one in _entered(row)))
    found += _beyond([*found, *updated])
    return tuple(_unlike([*found, *updated]))


def _entered(row: Transition) -> Iterable[enum.StrEnum]:
    """Return the states in which a change may be after a row."""
    return row.sources if row.dest is None else (row.dest,)


def numbers_of(function: object) -> Iterator[int | float]:
    """Yield the constant numbers of a function, those with a name, and those of the functions that it calls."""
    for one in _constants(function, follows=True):
        if isinstance(one, int | float) and not isinstance(one, bool):
            yield one


def _beyond(constants: Sequence[object]) -> Iterator[int]:
    """Yield a number far beyond all constants, for guards that compare two fields beyond a limit."""
    numbers = [abs(one) for one in constants if isinstance(one, int | float) and math.isfinite(one)]
    if numbers and max(numbers) > 1:
        yield 2 * math.ceil(max(numbers)) + 1


def _constants(function: object, *, follows: bool) -> Iterator[object]:
    """Yield the constants of a function and, if asked to, those with a name, and those of the functions it calls."""
    if not isinstance(function, types.FunctionType):
        return
    yield from function.__code__.co_consts[:_CONSTANTS]
    if follows:
        try:
            held = inspect.getclosurevars(function)
        except ValueError:  # a variable around the function has no value yet
            return
        for value in (*held.nonlocals.values(), *held.globals.values()):
            if type(value) in {int, float, str}:  # a constant with a name
                yield value
            else:
                yield from _constants(value, follows=False)


def _joined(constants: Sequence[object]) -> Iterator[str]:
    """Yield texts that begin with one constant and end with another, and texts as long as a constant number."""
    words = [one for one in constants if isinstance(one, str) and one and " " not in one][:_WORDS_JOINED]
    yield from (one + other for one, other in itertools.permutations(words, 2))
    lengths = [one for one in constants if type(one) is int and 1 < one <= _LONGEST_TEXT]
    for length in lengths[:_PARTS]:
        yield from (one.ljust(length + 1, "x") for one in ("", *words))


def _one_otherwise(domains: Mapping[str, Sequence[object]]) -> Iterator[dict[str, object]]:
    """Yield samples that match the change in every field but one, with each value of that field."""
    aimed = {name: domain[0] for name, domain in domains.items()}
    return ({**aimed, name: value} for name, domain in domains.items() for value in domain[1:])


def _combinations(domains: Mapping[str, Sequence[object]], most: int) -> Iterator[dict[str, object]]:
    """Yield all combinations or, if they are too many, some that are spread evenly over them."""
    if math.prod(map(len, domains.values())) <= most:
        yield from (dict(zip(domains, values, strict=True)) for values in itertools.product(*domains.values()))
        return
    # Multiples of an irrational number are spread evenly over the unit interval, those of several independent ones over
    # the cube.
    steps = {name: math.sqrt(prime) % 1 for name, prime in zip(domains, itertools.cycle(_PRIMES), strict=False)}
    for number in range(most):
        yield {name: domain[int(number * steps[name] % 1 * len(domain))] for name, domain in domains.items()}


class _Domains:
    """The values that fields can hold, by their names and types."""

    def __init__(self, kind: type, change: ChangeRequest, now: dt.datetime, constants: tuple[object, ...]) -> None:
        self._form = change.form
        self._own = own_facts(kind, change)
        numbers = [one for one in constants if isinstance(one, int | float) and not isinstance(one, bool)]
        numbers = [1, 0, 2, *(near for one in numbers for near in (one - 1, one, one + 1))]
        self._numbers = numbers
        self._plain: Mapping[object, Sequence[object]] = {
            type(None): (None,),
            bool: (True, False),
            int: [int(one) for one in numbers],
            float: [float(one) for one in numbers],
            str: [
                "a text",
                "",
                *(one for one in constants if isinstance(one, str) and " " not in one),
            ],  # a text with spaces is a reason, not a value
            dt.datetime: (now,),
            dt.timedelta: (dt.timedelta(), dt.timedelta(days=1)),
            object: ("a text", None),
            Any: ("a text", None),
        }

    def of(self, name: str, hint: Any, depth: int) -> Sequence[object]:  # noqa: ANN401 - an annotation
        """Return the values, first the one that matches the change; empty if no value of the type is known."""
        own = self._own.get(name)
        first = [own] if own is not None and self._fits(hint, own) else []
        return _unlike([*first, *_WORDS.get(name, ()), *self._of_type(hint, depth)])

    def _of_type(self, hint: Any, depth: int) -> Sequence[object]:  # noqa: ANN401 - an annotation
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin in {typing.Union, types.UnionType}:
            return [value for one in arguments for value in self._of_type(one, depth)]
        if origin is typing.Literal:
            return arguments
        if isinstance(origin, type):
            return self._of_collection(origin, arguments, depth)
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            return list(hint)
        if isinstance(hint, type) and attrs.has(hint):
            return self._of_class(hint, depth)
        return self._plain.get(hint, ())

    def _of_class(self, kind: type, depth: int) -> Sequence[object]:
        if isinstance(self._form, kind):
            return [self._form, attrs.evolve(self._form, title=f"{self._form.title} revised")]
        if depth >= _DEEPEST:
            return ()
        made = []
        for values in _combinations(_fields(kind, self, depth + 1), _PARTS):
            with contextlib.suppress(
                ValueError, TypeError, SystemExit
            ):  # the class's validator refuses this combination
                made.append(kind(**values))
        return made

    def _of_collection(self, origin: type, arguments: tuple[Any, ...], depth: int) -> Sequence[object]:
        if issubclass(origin, Mapping):
            held = self._of_type(arguments[1], depth) if arguments[0] is str else []
            return [MappingProxyType({}), *(MappingProxyType({"a": one}) for one in held[:1])]
        if issubclass(origin, tuple | list | Sequence) and arguments:
            make = list if issubclass(origin, list) else tuple
            held = self._of_type(arguments[0], depth)
            lengths = [1, 0, *(int(one) for one in self._numbers if 1 < one <= LONGEST_LIST), len(held)]
            return [make(itertools.islice(itertools.cycle(held), each)) for each in dict.fromkeys(lengths[:_LISTS])]
        return []

    @staticmethod
    def _fits(hint: Any, value: object) -> bool:  # noqa: ANN401 - an annotation
        kinds = typing.get_args(hint) or (hint,)
        return any(isinstance(kind, type) and isinstance(value, kind) for kind in kinds)


def _fields(kind: type, domains: _Domains, depth: int) -> dict[str, Sequence[object]]:
    found = {}
    for name, hint, is_needed in fields_of(kind):
        values = domains.of(name, hint, depth)
        if values:
            found[name] = values
        elif is_needed:
            raise CannotSampleError(f"no value is known for its field {name}")
    return found


def own_facts(kind: type, change: ChangeRequest) -> Mapping[str, object]:
    """Return the values of a change by the usual names of evidence fields, a host's own data included."""
    found: dict[str, object] = {**change.data, "subject": change.subject, "change_id": change.id, "gateway": "bk_itsm"}
    found |= {"service": "17", "number": 1, "owner": "w1", "key": "K1", "creator": change.form.applicant}
    found |= {"ticket_id": "7", "sn": "REQ7", **own_values(kind, change)}
    return {**found, "id": found["ticket_id"]}


def _unlike(values: Iterable[object]) -> list[object]:
    found: list[object] = []
    for value in values:
        if not any(type(value) is type(one) and value == one for one in found):
            found.append(value)
    return found

"""The check of functions that read a clock or a random source, by the names in their code.

A sample cannot show it: a guard that compares with the machine's clock answers alike twice in the same moment.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import dis
import os
import random
import time
import types
import uuid
from typing import TYPE_CHECKING

from itsm_workflow.lint.findings import doubt
from itsm_workflow.lint.wording import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from itsm_workflow.lint.findings import LintFinding
    from itsm_workflow.machine.definition import WorkflowDefinition

_CLOCKS = (
    *(dt.datetime.now, dt.datetime.utcnow, dt.datetime.today, dt.date.today),
    *(time.time, time.time_ns, time.monotonic, time.monotonic_ns, time.localtime, time.gmtime),
    *(random.random, random.randint, random.choice, random.randrange, uuid.uuid1, uuid.uuid4, os.urandom),
)
_LOADS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF"}
_PARTS = {"LOAD_ATTR", "LOAD_METHOD"}
_ABSENT = object()


def clock_findings(definition: WorkflowDefinition) -> Iterator[LintFinding]:
    """Yield a doubt for each guard, update and due rule whose code names a clock or a random source."""
    for row in definition.transitions:
        for part, function in (("guard", row.guard), ("update", row.update)):
            read = _read_by(function)
            if read:
                message = (
                    f"{part} {name_of(function)} {_problem(read)}: take the time from facts.now, or from the evidence"
                )
                yield doubt("clock", message, state=row.sources[0].value, trigger=row.trigger.value)
    for state, rule in definition.due.items():
        read = _read_by(rule)
        if read:
            yield doubt(
                "clock", f"the due rule of {state} {_problem(read)}; it must use its argument now", state=state.value
            )


def _problem(read: str) -> str:
    return f"calls {read}, which answers otherwise each time"


def _read_by(function: object) -> str:
    """Return the name of the clock or random source that a function calls, itself or by a function of its package."""
    waiting, seen = [function], set[int]()
    while waiting:
        one = waiting.pop()
        if not isinstance(one, types.FunctionType) or id(one) in seen:
            continue
        seen.add(id(one))
        for name, value in _named_in(one):
            if value in _CLOCKS:
                return name
            if isinstance(value, types.FunctionType) and _package(value) == _package(one):
                waiting.append(value)
    return ""


def _package(function: types.FunctionType) -> str:
    module: str | None = function.__module__  # None of a function that exec made
    return (module or "").partition(".")[0]


def _named_in(function: types.FunctionType) -> Iterator[tuple[str, object]]:
    """Yield the functions that the code of a function names, such as ``datetime.now``, each with its name."""
    known = dict(function.__globals__)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # the variable has no value yet
            known[name] = cell.cell_contents
    for code in _codes(function.__code__):
        for name, value in _chains(code, known):
            if isinstance(value, types.FunctionType | types.BuiltinFunctionType | types.MethodType):
                yield name, value


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield the code of a function, and those of the functions and comprehensions in it."""
    yield code
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield from _codes(one)


def _chains(code: types.CodeType, known: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    name, value = "", _ABSENT
    for step in dis.get_instructions(code):
        part = str(step.argval)
        if step.opname in _LOADS:
            name, value = part, known.get(part, _ABSENT)
        elif step.opname in _PARTS and isinstance(value, type | types.ModuleType):
            name, value = f"{name}.{part}", getattr(value, part, _ABSENT)
        else:
            name, value = "", _ABSENT
        yield name, value

"""The report on a definition, made once in a process: a lint fires thousands of triggers."""

from __future__ import annotations

from collections.abc import Mapping
from types import FunctionType
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.lint import lint

if TYPE_CHECKING:
    from itsm_workflow.lint import LintReport
    from itsm_workflow.machine.definition import WorkflowDefinition

_MADE: dict[str, tuple[WorkflowDefinition, LintReport]] = {}
_LINT = lint  # a test may put `linted` in its place


def linted(definition: WorkflowDefinition, *, samples: tuple[object, ...] = (), **_limits: object) -> LintReport:
    """Return the report of `lint`; definitions of the same parts with the same samples share one."""
    key = repr((_parts(definition), samples))
    if key not in _MADE:
        _MADE[key] = (definition, _LINT(definition, samples=samples))  # kept alive, since its key holds addresses
    return _MADE[key][1]


def _parts(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _parts(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return [_parts(part) for part in value]
    if isinstance(value, FunctionType) and value.__closure__ is None:
        return value.__code__  # the same for each call of the function that defines it
    if attrs.has(type(value)):
        fields: tuple[attrs.Attribute[object], ...] = attrs.fields(type(value))  # type: ignore[arg-type]  # as just seen
        return {field.name: _parts(getattr(value, field.name)) for field in fields}
    return value

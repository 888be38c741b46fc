"""A change's history as a pytest file: a redacted incident that can be replayed wherever the workflow is developed."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.errors import ItsmWorkflowError, TransitionRefused
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.policy import Policy
from itsm_workflow.testing.simulation.case import replay_case
from itsm_workflow.testing.simulation.naming import home_of
from itsm_workflow.testing.simulation.redaction import redacted
from itsm_workflow.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.change import Entry
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.testing.simulation.case import CaseStep

_FILE = '''\
"""The history of one change, redacted: {count}, from {first} to {last}."""

from __future__ import annotations

{imports}

STEPS = [
{steps}
]
{policy}

def test_case() -> None:
    """Every trigger is accepted again, and leads to the same state."""
    states = replay_case(STEPS, definition={definition}{given})
    assert states == [step.leads_to for step in STEPS]
'''


class CaseNotExported(ItsmWorkflowError):
    """A history cannot be converted to a test; the message gives the reason."""

    code = "case.not_exported"


def case_file(history: Sequence[Entry], *, definition: WorkflowDefinition, policy: Policy) -> str:
    """Return a pytest file that replays a history, redacted.

    Args:
        history: Every entry, oldest first.
        definition: The change's workflow.
        policy: The timings that were in force.

    Raises:
        CaseNotExported: The definition has no name at module level, or the redacted history is no longer accepted.
    """
    home = ("itsm_workflow.machine.approval", "COLLECTOR_CHANGE")
    named = home if definition is COLLECTOR_CHANGE else home_of(definition)
    if named is None:
        raise CaseNotExported(
            f"a file cannot import the definition {definition.name}: assign it to a name at module level"
        )
    try:
        steps = redacted(history)
        states = replay_case(steps, definition=definition, policy=policy)
    except (TransitionRefused, ValueError) as error:
        raise CaseNotExported(
            f"the redacted history is refused by {definition.name} version {definition.version}: {error}. It was "
            "written by another version of the definition or under another policy, or a guard depends on a text that "
            "was redacted"
        ) from error
    imports = {
        f"from {named[0]} import {named[1]}",
        "from itsm_workflow.testing.simulation import CaseStep, replay_case",
    }
    changed = _changed(policy)
    if changed:
        imports.add("from itsm_workflow.policy import Policy")
    first = ["import datetime as dt", ""] if changed else []
    return _FILE.format(
        count=counted(len(steps), "trigger"),
        first=states[0],
        last=states[-1],
        imports="\n".join([*first, *sorted(imports)]),
        steps="\n".join(map(_written, steps)),
        policy=f"POLICY = Policy({changed})\n" if changed else "",
        definition=named[1],
        given=", policy=POLICY" if changed else "",
    )


def _written(step: CaseStep) -> str:
    given = [
        f"        {field.name}={_literal(getattr(step, field.name))},"
        for field in attrs.fields(type(step))
        if getattr(step, field.name) != field.default
    ]
    return "\n".join(["    CaseStep(", *given, "    ),"])


def _literal(value: object) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_literal, value)) + "]"
    return repr(value)


def _quoted(text: str) -> str:
    return repr(text) if '"' in text or "'" in text or "\\" in text else f'"{text}"'


def _changed(policy: Policy) -> str:
    usual = Policy()
    return ", ".join(
        f"{field.name}={_timing(getattr(policy, field.name))}"
        for field in attrs.fields(Policy)
        if getattr(policy, field.name) != getattr(usual, field.name)
    )


def _timing(value: object) -> str:
    if isinstance(value, dt.timedelta):
        return f"dt.timedelta(seconds={value.total_seconds():g})"
    if isinstance(value, tuple):
        return "(" + "".join(f"{_timing(one)}, " for one in value) + ")"
    return repr(value)

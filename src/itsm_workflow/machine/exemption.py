"""Exemptions: the rules of the linter that a workflow breaks on purpose, each named and with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.text import kind_of

if TYPE_CHECKING:
    import enum
    from collections.abc import Iterator

    from itsm_workflow.machine.definition import WorkflowDefinition

EXEMPTABLE = ("again", "early", "ended", "failed", "given_up", "growth", "stuck")
"""The checks of the linter that a workflow may be exempt from; every other check holds for each workflow."""


@attrs.frozen(kw_only=True)
class Exemption:
    """A rule of the linter that a workflow breaks on purpose in one of its states.

    The linter then lists the finding with its reason instead of reporting it. An exemption without a finding is
    reported.

    Attributes:
        check: The name of the rule: ``again``, ``early``, ``ended``, ``failed``, ``given_up``, ``growth`` or ``stuck``.
        state: The state of the finding.
        reason: Why the workflow is right all the same.
        trigger: The trigger of the finding; by default any.
    """

    check: str
    state: enum.StrEnum
    reason: str
    trigger: enum.StrEnum | None = None


def wrong_exemptions(definition: WorkflowDefinition) -> Iterator[str]:
    """Yield the problems of the exemptions: an unknown check, state or trigger, or no reason."""
    given: object = definition.exemptions
    if not isinstance(given, tuple | list):
        yield f"exemptions: {kind_of(given)} is not a tuple of Exemption"
        return
    triggers = {row.trigger.value for row in definition.transitions}
    for number, one in enumerate(given):
        where = f"exemptions[{number}]"
        if not isinstance(one, Exemption):
            yield f"{where}: {kind_of(one)} is not an Exemption"
            continue
        if one.check not in EXEMPTABLE:
            yield f"{where}: {one.check!r} is not a check that can be exempted; these are {', '.join(EXEMPTABLE)}"
        if not isinstance(one.state, definition.states):
            yield f"{where}: state {one.state!s} is not a member of {definition.states.__name__}"
        reason: object = one.reason
        if not isinstance(reason, str) or not reason.strip():
            yield f"{where}: it has no reason"
        if one.trigger is not None and str(one.trigger) not in triggers:
            yield f"{where}: {definition.name} has no trigger {one.trigger!s}"

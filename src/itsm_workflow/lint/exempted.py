"""The findings that a workflow is exempt from, each with the reason that the definition gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.lint.findings import doubt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from itsm_workflow.lint.findings import LintFinding
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.machine.exemption import Exemption


@attrs.frozen(kw_only=True)
class Exempted:
    """A finding that the definition exempts.

    Attributes:
        finding: The finding.
        reason: The reason that the definition gives.
    """

    finding: LintFinding
    reason: str


def sort_out(
    definition: WorkflowDefinition, found: Iterable[LintFinding]
) -> tuple[list[LintFinding], tuple[Exempted, ...]]:
    """Return the findings without those that are exempted, and these.

    An exemption without a finding becomes a finding: it would hide the next defect.
    """
    remaining: list[LintFinding] = []
    exempted: list[Exempted] = []
    used: set[Exemption] = set()
    for finding in found:
        fitting = next((one for one in definition.exemptions if _fits(one, finding)), None)
        if fitting is None:
            remaining.append(finding)
        else:
            used.add(fitting)
            exempted.append(Exempted(finding=finding, reason=fitting.reason))
    for one in definition.exemptions:
        if one not in used:
            trigger = "" if one.trigger is None else str(one.trigger)
            message = f"the exemption from {one.check} in {one.state} has no finding: remove it"
            remaining.append(doubt("exempted", message, state=str(one.state), trigger=trigger))
    return remaining, tuple(exempted)


def _fits(exemption: Exemption, finding: LintFinding) -> bool:
    return (
        exemption.check == finding.check
        and exemption.state == finding.state
        and (exemption.trigger is None or exemption.trigger == finding.trigger)
    )

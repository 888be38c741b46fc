"""A case: the triggers of one change's history, to be fired again."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.machine.engine import fire, open_change
from itsm_workflow.machine.evidence import Drafted
from itsm_workflow.policy import Policy
from itsm_workflow.strict import strict_converter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition

CASE_ID = "CASE"
"""The id of every replayed change; the ids of effects begin with it."""

CASE_BEGAN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
"""The time at which every case begins."""


@attrs.frozen(kw_only=True)
class CaseStep:
    """One entry of a history, to be fired again.

    Attributes:
        at: Seconds since the first entry.
        trigger: The trigger.
        actor: The person or process on whose behalf it is fired.
        kind: The name of the evidence's type.
        evidence: The evidence as it is stored: JSON, with times in microseconds.
        leads_to: The state afterwards.
        effects: The names of the host's effects that the entry planned.
    """

    at: float
    trigger: str
    actor: str
    kind: str
    evidence: Mapping[str, Any]
    leads_to: str
    effects: Sequence[str] = ()


def replay_case(
    steps: Iterable[CaseStep],
    *,
    definition: WorkflowDefinition,
    policy: Policy = Policy(),  # noqa: B008 - frozen
) -> list[str]:
    """Fire the triggers of a case in order, and return the state after each.

    Args:
        steps: The case; its first step drafts the change.
        definition: The workflow.
        policy: The timings for the guards.

    Raises:
        TransitionRefused: The machine no longer accepts one of them.
        ValueError: A step has evidence of a type that the definition lacks, or no longer changes anything.
    """
    change: ChangeRequest | None = None
    states: list[str] = []
    kinds = {**definition.evidence_types, Drafted.__name__: Drafted}
    for seq, step in enumerate(steps, start=1):
        if step.kind not in kinds:
            raise ValueError(f"step {seq}, {step.trigger}, holds {step.kind}, which {definition.name} does not accept")
        evidence: Any = strict_converter().structure(dict(step.evidence), kinds[step.kind])
        now = CASE_BEGAN + dt.timedelta(seconds=step.at)
        if change is None:
            change, _ = open_change(
                definition, change_id=CASE_ID, subject="case", form=evidence.form, now=now, actor=step.actor
            )
        else:
            change, entry = fire(
                definition,
                change,
                step.trigger,
                evidence,
                now=now,
                policy=policy,
                seq=seq,
                actor=step.actor,
                effects={step.leads_to: step.effects},
            )
            if entry is None:
                raise ValueError(f"step {seq}, {step.trigger}, no longer changes anything")
        states.append(change.state)
    return states

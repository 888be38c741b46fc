"""The promises that must hold when a run has ended: the audit, and checks that the audit cannot make."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from itsm_workflow.audit import audit
from itsm_workflow.errors import ItsmWorkflowError, StorageCorrupt
from itsm_workflow.machine.definition import waits_for_a_person
from itsm_workflow.runtime.journal import Journal
from itsm_workflow.runtime.observers import Observers
from itsm_workflow.runtime.records import Records
from itsm_workflow.storage import paging
from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing.planned_again import planned_again
from itsm_workflow.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.storage.protocol import Row
    from itsm_workflow.testing.simulation.world import World


def broken(world: World) -> tuple[str, ...]:
    """Return one sentence for each problem; its first word, before the colon, names the broken rule."""
    records = _records(world)
    return (
        *dict.fromkeys(world.problems),
        *_audited(world),
        *_unsettled(world),
        *_sent_twice(world),
        *_gates(world, records),
        *_planned_again(world, records),
        *(found for check in world.host.invariants for found in check(world)),
    )


def rows_of(world: World) -> list[Row]:
    """Return every stored change."""
    return list(paging.rows(world.store, Query(workflow=world.host.definition.name)))


def _audited(world: World) -> Iterator[str]:
    report = audit(
        world.store,
        world.system.ledger,
        definition=world.host.definition,
        gateway=world.system.gateway.name,
        asked=dict.fromkeys(world.asked),
        effects_expected={state: [one.name for one in listed] for state, listed in world.effects.items()},
        deliveries=world.deliveries,
        forged=world.system.forged,
    )
    allowed = _allowed_doubles(world)
    for finding in report.findings:
        if finding.startswith("duplicate:") and any(key in finding for key in allowed):
            continue
        yield finding


def _allowed_doubles(world: World) -> set[str]:
    """Return the keys that a person or a policy sent again, and whose duplicate was reported to a person."""
    resent = {key for key, number in world.system.sends if number > 1}
    reported = set()
    for row in rows_of(world):
        change = json.loads(row.document)["change"]
        if row.attention is not None or change.get("contradictions"):
            reported.add(str((change.get("attempt") or {}).get("key")))
    return resent & reported


def _unsettled(world: World) -> Iterator[str]:
    """Each change stays in a state where its definition lets it stay, or a person was notified."""
    definition = world.host.definition
    resting = {state.value for state, rule in definition.due.items() if rule is waits_for_a_person}
    resting |= {state.value for state in definition.final}
    for row in rows_of(world):
        if row.attention is not None:
            continue
        if row.state not in resting:
            stays = f"unsettled: change {row.id} of {row.subject} stays in {row.state}, and no person was notified"
            yield "; ".join([stays, *_why_unsettled(world, row)])
        elif row.due_at is not None:
            yield f"unsettled: change {row.id} of {row.subject} in {row.state} is still due at the end of the run"


def _why_unsettled(world: World, row: Row) -> Iterator[str]:
    yield from world.acting.given_up(row.id)
    times = world.due_again[row.id]
    if row.due_at is not None and times:
        yield f"by the due rule of {row.state} it was due again {counted(times, 'time')}, and nothing changed"


def _records(world: World) -> Records:
    return Records(
        Journal(
            storage=world.store,
            definition=world.host.definition,
            policy=world.host.policy,
            clock=world.clock,
            effects={},
            observers=Observers(()),
        )
    )


def _planned_again(world: World, records: Records) -> Iterator[str]:
    """One approval plans each effect once; the audit reports a history that cannot be read."""
    for row in rows_of(world):
        with contextlib.suppress(StorageCorrupt):
            for problem in planned_again(world.host.definition, records.history(row.id)):
                yield f"effect: in change {row.id}, {problem}"


def _gates(world: World, records: Records) -> Iterator[str]:
    """The gate of a subject follows the state of the last submitted change, in the order of the commits."""
    definition = world.host.definition
    for subject, change_id in world.submitted.items():
        row = world.store.get(change_id)
        if row is None:
            continue
        grants = definition.grants.get(definition.states(row.state), row.state == definition.rounds[-1].granted)
        try:
            passed = records.require_approved(subject).id
        except ItsmWorkflowError:
            passed = ""
        if passed != (change_id if grants else ""):
            passing = f"change {passed} passes" if passed else "nothing passes"
            yield f"gate: the newest change of {subject} is {change_id}, in {row.state}, but {passing}"


def _sent_twice(world: World) -> Iterator[str]:
    for (key, number), times in sorted(world.system.sends.items()):
        if times > 1:
            yield f"sent: attempt {number} under key {key} was sent {times} times"

"""Changes that a new version of their table would strand are named, and no others."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.lint import stranded
from itsm_workflow.machine.approval import Trigger, approval_table
from itsm_workflow.machine.definition import WorkflowDefinition, waits_for_a_person
from itsm_workflow.policy import Policy
from itsm_workflow.runtime.journal import Journal
from itsm_workflow.runtime.observers import Observers
from itsm_workflow.settle import Step
from itsm_workflow.storage.protocol import Write
from itsm_workflow.storage.registry import open_storage
from itsm_workflow.testing.manual_clock import ManualClock
from tests.support import workflows as zoo
from tests.support.examples import FORM, confirmed, finished, mark, submission
from tests.support.workflows import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.storage.protocol import StorageBackend

GRANTED = (
    Step(Trigger.SUBMIT, submission()),
    Step(Trigger.MARK_SENDING, mark()),
    Step(Trigger.RECORD_TICKET, confirmed()),
    Step(Trigger.APPROVE, finished(approved=True)),
)
CLOCK = ManualClock()


class Renamed(enum.StrEnum):
    """The states of the deployment, of which one has another name."""

    DRAFT = "draft"
    FILING = "filing"
    WAITING = "waiting"
    UNDELIVERED = "undelivered"
    GRANTED = "accepted"
    LIVE = "live"
    REFUSED = "refused"


@pytest.fixture
def storage() -> Iterator[StorageBackend]:
    """An empty store."""
    backend = open_storage("memory://")
    yield backend
    backend.close()


def keep(storage: StorageBackend, *steps: Step, definition: WorkflowDefinition = zoo.DEPLOYMENT) -> None:
    """Store the change D1 after some triggers."""
    journal = Journal(
        storage=storage, definition=definition, policy=Policy(), clock=CLOCK, effects={}, observers=Observers()
    )
    journal.commit_one(journal.prepare_draft(change_id="D1", subject="host-1", form=FORM, actor="alice", steps=steps))


def reasons(storage: StorageBackend, definition: WorkflowDefinition) -> list[str]:
    """Return why the change would be stranded."""
    found = list(stranded(definition, storage, CLOCK.peek()))
    assert [("D1", "host-1")] * len(found) == [(one.id, one.subject) for one in found]
    return [one.reason for one in found]


def with_final(*final: Stage) -> WorkflowDefinition:
    """Return the deployment with other ends; its checks are not asked, since a store may hold changes of any."""
    definition = zoo.deployment()
    object.__setattr__(definition, "final", frozenset(final))
    return definition


@pytest.mark.parametrize("steps", [GRANTED[:number] for number in range(5)], ids=len)
def test_the_table_that_made_a_change_does_not_strand_it(storage: StorageBackend, steps: tuple[Step, ...]) -> None:
    """Wherever it stands."""
    keep(storage, *steps)
    assert reasons(storage, zoo.DEPLOYMENT) == []


def test_a_state_that_is_gone_strands_those_in_it(storage: StorageBackend) -> None:
    """Nothing can be fired on them any more."""
    keep(storage, *GRANTED)
    named = {state.name: state for state in Renamed}
    renamed = attrs.evolve(
        zoo.DEPLOYMENT,
        states=Renamed,
        initial=Renamed.DRAFT,
        final=frozenset({Renamed.LIVE, Renamed.REFUSED}),
        roles=zoo.roles(Renamed),
        transitions=(*zoo.table(Renamed), zoo.deploy(sources=(Renamed.GRANTED,), dest=Renamed.LIVE)),
        grants={Renamed.LIVE: True},
        due={named[state.name]: rule for state, rule in zoo.DUE.items()},
    )
    assert reasons(storage, renamed) == ["the table has no state granted"]


def test_an_older_table_strands_what_a_newer_one_made(storage: StorageBackend) -> None:
    """A host that goes back to an older release is told."""
    keep(storage, definition=zoo.deployment(version=2))
    assert reasons(storage, zoo.DEPLOYMENT) == [
        "version 2 of the table wrote the change, but the definition is version 1"
    ]
    assert reasons(storage, zoo.deployment(version=3)) == []


def test_a_state_that_becomes_final_keeps_its_subjects_taken(storage: StorageBackend) -> None:
    """Nothing would ever let go of them."""
    keep(storage, *GRANTED)
    (told,) = reasons(storage, with_final(Stage.GRANTED, Stage.LIVE, Stage.REFUSED))
    assert "granted is final now, but the change still holds its subject" in told


def test_a_state_that_was_final_does_not_hold_its_subjects(storage: StorageBackend) -> None:
    """A second change of the subject could be submitted."""
    keep(storage, *GRANTED, definition=with_final(Stage.GRANTED, Stage.LIVE, Stage.REFUSED))
    (told,) = reasons(storage, zoo.DEPLOYMENT)
    assert "granted was final or a draft when the change was stored" in told


def test_a_state_that_was_never_due_is_not_looked_at(storage: StorageBackend) -> None:
    """A due rule that is new works for what is stored from now on."""
    keep(storage, *GRANTED[:3], definition=zoo.deployment(due_rules={**zoo.DUE, Stage.WAITING: waits_for_a_person}))
    (told,) = reasons(storage, zoo.DEPLOYMENT)
    assert "waiting falls due by the table, but the change was stored as never due" in told


def test_parts_that_move_strand_what_lacks_their_facts(storage: StorageBackend) -> None:
    """A state that waits for a ticket cannot take over changes that have none."""
    keep(storage, *GRANTED[:1])
    parts = attrs.evolve(zoo.roles(), waiting=Stage.FILING, asking=Stage.WAITING)
    moved = zoo.deployment(parts=parts, approval=approval_table(Stage, Stage.DRAFT, parts))
    assert reasons(storage, moved) == ["filing waits for a ticket, but the change has none"]


def test_a_change_that_cannot_be_read_is_named(storage: StorageBackend) -> None:
    """Whatever else is wrong with it."""
    keep(storage)
    row = storage.get("D1")
    assert row is not None
    damaged = attrs.evolve(row, version=2, seq=2, document="{}")
    entry = storage.history("D1").entries[0]
    again = attrs.evolve(entry, seq=2)
    assert storage.commit([Write(row=damaged, expected_version=1, entries=(again,))]) == [None]
    (told,) = reasons(storage, zoo.DEPLOYMENT)
    assert "not stored as this version wrote it" in told


def test_changes_of_other_workflows_are_left_alone(storage: StorageBackend) -> None:
    """A store may hold several."""
    keep(storage, *GRANTED)
    assert list(stranded(zoo.with_a_trap(), storage, CLOCK.peek())) == []

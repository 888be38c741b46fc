"""Right workflows of four domains: a leave, the migration of a schema, a purchase order, and a train of releases."""

from __future__ import annotations

import enum
from itertools import pairwise
from typing import TYPE_CHECKING

import attrs

from itsm_workflow import Roles, Transition, approval_workflow
from itsm_workflow.settle import Step
from itsm_workflow.testing.exploration import Act, operator_acts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from itsm_workflow import ChangeRequest, Facts, WorkflowDefinition
    from itsm_workflow.testing.exploration.itsm import Filed

row = Transition


@attrs.frozen(kw_only=True)
class Said:
    """Evidence of most steps: who says so, in which words."""

    by: str
    remark: str = ""


# ---------------------------------------------------------------- a leave


class Leave(enum.StrEnum):
    """A leave is taken, or cancelled before it begins."""

    DRAFT = "draft"
    FILING = "filing"
    WAITING = "waiting"
    UNDELIVERED = "undelivered"
    REFUSED = "refused"
    APPROVED = "approved"
    TAKEN = "taken"
    CANCELLED = "cancelled"


class LeaveVerb(enum.StrEnum):
    """What the personnel system reports."""

    TAKE = "take"
    CANCEL = "cancel"


@attrs.frozen(kw_only=True)
class Taken:
    """Evidence: the days that were taken."""

    days: int


def some_days(facts: Facts) -> str | None:
    """Accept a leave of one day to a year."""
    days = facts.expect(Taken).days
    return None if 1 <= days <= 366 else f"{days} days are no leave"


def has_a_reason(facts: Facts) -> str | None:
    """Accept a cancellation that says why."""
    return None if facts.expect(Said).remark else "a cancellation needs a reason"


LEAVE = approval_workflow(
    "leave",
    states=Leave,
    roles=Roles(
        asking=Leave.FILING,
        waiting=Leave.WAITING,
        undelivered=Leave.UNDELIVERED,
        granted=Leave.APPROVED,
        refused=Leave.REFUSED,
    ),
    transitions=(
        row(trigger=LeaveVerb.TAKE, sources=(Leave.APPROVED,), dest=Leave.TAKEN, evidence=Taken, guard=some_days),
        row(
            trigger=LeaveVerb.CANCEL,
            sources=(Leave.APPROVED,),
            dest=Leave.CANCELLED,
            evidence=Said,
            guard=has_a_reason,
        ),
    ),
    grants={Leave.TAKEN: True, Leave.CANCELLED: False},
)


# ---------------------------------------------------------------- the migration of a schema


class Migration(enum.StrEnum):
    """A migration runs once, and is rolled back if it fails."""

    DRAFT = "draft"
    FILING = "filing"
    WAITING = "waiting"
    UNDELIVERED = "undelivered"
    REFUSED = "refused"
    RUNNING = "running"
    DONE = "done"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"


class MigrationVerb(enum.StrEnum):
    """What the database reports."""

    COMPLETE = "complete"
    BREAK = "break"
    UNDO = "undo"


@attrs.frozen(kw_only=True)
class Migrated:
    """Evidence: the revision of the schema, and the rows that it changed."""

    revision: str
    rows: int


def is_named(facts: Facts) -> str | None:
    """Accept a result that names its revision."""
    return None if facts.expect(Migrated).revision else "the revision is missing"


def with_the_revision(facts: Facts) -> ChangeRequest:
    """Keep the revision; it replaces an earlier one."""
    return attrs.evolve(facts.change, data={"revision": facts.expect(Migrated).revision})


MIGRATION = approval_workflow(
    "schema_migration",
    states=Migration,
    roles=Roles(
        asking=Migration.FILING,
        waiting=Migration.WAITING,
        undelivered=Migration.UNDELIVERED,
        granted=Migration.RUNNING,
        refused=Migration.REFUSED,
    ),
    transitions=(
        row(
            trigger=MigrationVerb.COMPLETE,
            sources=(Migration.RUNNING,),
            dest=Migration.DONE,
            evidence=Migrated,
            guard=is_named,
            update=with_the_revision,
        ),
        row(
            trigger=MigrationVerb.BREAK,
            sources=(Migration.RUNNING,),
            dest=Migration.ROLLING_BACK,
            evidence=Said,
        ),
        row(
            trigger=MigrationVerb.UNDO,
            sources=(Migration.ROLLING_BACK,),
            dest=Migration.ROLLED_BACK,
            evidence=Said,
        ),
    ),
    grants={
        Migration.RUNNING: False,
        Migration.DONE: True,
        Migration.ROLLING_BACK: False,
        Migration.ROLLED_BACK: False,
    },
    effects={Migration.RUNNING: ("migrate",), Migration.ROLLING_BACK: ("roll_back",)},
)


# ---------------------------------------------------------------- a purchase order


class Order(enum.StrEnum):
    """An order is delivered and paid, or sent back."""

    DRAFT = "draft"
    FILING = "filing"
    WAITING = "waiting"
    UNDELIVERED = "undelivered"
    REFUSED = "refused"
    ORDERED = "ordered"
    DELIVERED = "delivered"
    PAID = "paid"
    SENT_BACK = "sent_back"


class OrderVerb(enum.StrEnum):
    """What the warehouse and the bank report."""

    DELIVER = "deliver"
    PAY = "pay"
    SEND_BACK = "send_back"


@attrs.frozen(kw_only=True)
class Parcel:
    """Evidence: how many of the ordered pieces arrived."""

    pieces: int
    ordered: int


@attrs.frozen(kw_only=True)
class Payment:
    """Evidence: the amount, in cents."""

    cents: int


def is_complete(facts: Facts) -> str | None:
    """Accept a whole delivery."""
    parcel = facts.expect(Parcel)
    return None if 0 < parcel.ordered == parcel.pieces else f"{parcel.pieces} of {parcel.ordered} pieces arrived"


def is_positive(facts: Facts) -> str | None:
    """Accept a payment of something."""
    return None if facts.expect(Payment).cents > 0 else "nothing was paid"


ORDER = approval_workflow(
    "purchase_order",
    states=Order,
    roles=Roles(
        asking=Order.FILING,
        waiting=Order.WAITING,
        undelivered=Order.UNDELIVERED,
        granted=Order.ORDERED,
        refused=Order.REFUSED,
    ),
    transitions=(
        row(
            trigger=OrderVerb.DELIVER,
            sources=(Order.ORDERED,),
            dest=Order.DELIVERED,
            evidence=Parcel,
            guard=is_complete,
        ),
        row(trigger=OrderVerb.PAY, sources=(Order.DELIVERED,), dest=Order.PAID, evidence=Payment, guard=is_positive),
        row(trigger=OrderVerb.SEND_BACK, sources=(Order.DELIVERED,), dest=Order.SENT_BACK, evidence=Said),
    ),
    grants={Order.DELIVERED: True, Order.PAID: True, Order.SENT_BACK: False},
    effects={Order.ORDERED: ("place_order",), Order.SENT_BACK: ("claim_the_money",)},
)


# ---------------------------------------------------------------- a train of releases


class Train(enum.StrEnum):
    """Sixteen states: the train stops where something fails, and may be aborted until it rolls out."""

    DRAFT = "draft"
    FILING = "filing"
    WAITING = "waiting"
    UNDELIVERED = "undelivered"
    REFUSED = "refused"
    BUILDING = "building"
    BUILT = "built"
    TESTING = "testing"
    TESTED = "tested"
    STAGING = "staging"
    STAGED = "staged"
    CANARY = "canary"
    ROLLING_OUT = "rolling_out"
    RELEASED = "released"
    ABORTING = "aborting"
    ABORTED = "aborted"


class TrainVerb(enum.StrEnum):
    """What the pipeline reports, and what the release manager does."""

    GO = "go"
    ABORT = "abort"
    CLEAN_UP = "clean_up"


@attrs.frozen(kw_only=True)
class Reported:
    """Evidence: the stage that ended, by its name, and its build."""

    stage: str
    build: int


LINE = (
    Train.BUILDING,
    Train.BUILT,
    Train.TESTING,
    Train.TESTED,
    Train.STAGING,
    Train.STAGED,
    Train.CANARY,
    Train.ROLLING_OUT,
    Train.RELEASED,
)
"""The stages in their order."""


def is_of_this_stage(facts: Facts) -> str | None:
    """Accept a report about the stage that the train is in: a report of an earlier stage is late."""
    stage = facts.expect(Reported).stage
    return None if stage == facts.change.state else f"the train is in {facts.change.state}, not in {stage}"


TRAIN = approval_workflow(
    "release_train",
    states=Train,
    roles=Roles(
        asking=Train.FILING,
        waiting=Train.WAITING,
        undelivered=Train.UNDELIVERED,
        granted=Train.BUILDING,
        refused=Train.REFUSED,
    ),
    transitions=(
        *(
            row(trigger=TrainVerb.GO, sources=(here,), dest=there, evidence=Reported, guard=is_of_this_stage)
            for here, there in pairwise(LINE)
        ),
        row(trigger=TrainVerb.ABORT, sources=LINE[:-2], dest=Train.ABORTING, evidence=Said, guard=has_a_reason),
        row(trigger=TrainVerb.CLEAN_UP, sources=(Train.ABORTING,), dest=Train.ABORTED, evidence=Said),
    ),
    grants={**dict.fromkeys(LINE[:-1], False), Train.RELEASED: True, Train.ABORTING: False, Train.ABORTED: False},
    effects={Train.BUILDING: ("build",), Train.TESTING: ("test",), Train.STAGING: ("stage",)},
)


# ---------------------------------------------------------------- what happens in each of them

EVENTS: Mapping[str, Sequence[tuple[enum.StrEnum, object]]] = {
    "leave": [(LeaveVerb.TAKE, Taken(days=3)), (LeaveVerb.CANCEL, Said(by="alice", remark="ill"))],
    "schema_migration": [
        (MigrationVerb.COMPLETE, Migrated(revision="a1b2", rows=7)),
        (MigrationVerb.BREAK, Said(by="database", remark="deadlock")),
        (MigrationVerb.UNDO, Said(by="database")),
    ],
    "purchase_order": [
        (OrderVerb.DELIVER, Parcel(pieces=2, ordered=2)),
        (OrderVerb.PAY, Payment(cents=995)),
        (OrderVerb.SEND_BACK, Said(by="warehouse")),
    ],
    "release_train": [
        *((TrainVerb.GO, Reported(stage=stage, build=4)) for stage in LINE[:-1]),
        (TrainVerb.ABORT, Said(by="carol", remark="the canary is dead")),
        (TrainVerb.CLEAN_UP, Said(by="pipeline")),
    ],
}
"""By workflow, the triggers of its host with their evidence."""

DOMAINS: Mapping[str, WorkflowDefinition] = {one.name: one for one in (LEAVE, MIGRATION, ORDER, TRAIN)}


def acts_of(name: str) -> Callable[[ChangeRequest, tuple[Filed, ...]], Iterator[Act]]:
    """Return what an operator may do, and every event of the host."""

    def acts(change: ChangeRequest, tickets: tuple[Filed, ...]) -> Iterator[Act]:
        yield from operator_acts(change, tickets)
        for trigger, evidence in EVENTS[name]:
            yield Act(f"the host fires {trigger.value}", (Step(trigger, evidence),))

    return acts

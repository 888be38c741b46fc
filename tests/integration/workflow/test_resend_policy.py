"""A policy that sends a create again when no look-up found it, without asking a person."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from itsm_workflow import Policy, State
from itsm_workflow.change import AttentionReason, Phase
from itsm_workflow.testing.ledger_gateway import LedgerGateway
from tests.support.attention import reason_of
from tests.support.lost import file_behind_our_back, lose_every_answer, use_up_lookups
from tests.support.office import SUBJECT, Office, asked, triggers
from tests.support.stores import EVERY_STORE
from tests.support.world import World

if TYPE_CHECKING:
    from itsm_workflow import Workflow
    from itsm_workflow.testing.manual_clock import ManualClock

LOOKUPS = (dt.timedelta(), dt.timedelta(seconds=120))


def opened(office: Office, **timings: object) -> Workflow:
    """Open a workflow that sends once more."""
    return office.workflow(policy=Policy(**{"lookups": LOOKUPS, "resends": 1, **timings}))  # type: ignore[arg-type] # timings of any kind


@EVERY_STORE
def test_a_create_that_no_look_up_found_is_sent_once_more_under_its_key(office: Office) -> None:
    """The pass in which the schedule ends sends it without a person; the history records it."""
    workflow = opened(office)
    armed = lose_every_answer(office, "502", processed=False)
    change = workflow.apply(subject=SUBJECT, **asked())
    office.sandbox.faults.clear()
    office.pass_time(120)

    workflow.reconcile()
    workflow.reconcile()

    after = workflow.get(change.id)
    assert (after.state, after.attention, after.expect_attempt().number) == (State.PENDING, None, 2)
    assert after.expect_attempt().key == change.expect_attempt().key
    assert office.only_ticket().tag == change.expect_attempt().key
    assert armed.hits == 1
    assert triggers(workflow, change)[-4:] == ["note_lookup", "resend", "mark_sending", "record_ticket"]


def test_nothing_is_sent_again_before_the_schedule_ends(office: Office) -> None:
    """Empty look-ups before its end, forced ones as well, are no proof."""
    workflow = opened(office)
    armed = lose_every_answer(office, "502", processed=False)
    change = workflow.apply(subject=SUBJECT, **asked())
    office.pass_time(119)
    for _ in range(5):
        workflow.settle(change.id)
    assert (armed.hits, workflow.get(change.id).expect_attempt().number) == (1, 1)


def test_a_wall_clock_that_is_set_forward_sends_nothing_again(office: Office) -> None:
    """Each pass is a new worker: the schedule takes its time by the machine's own clock."""
    armed = lose_every_answer(office, "502", processed=False)
    change = opened(office).apply(subject=SUBJECT, **asked())
    for _ in range(4):
        office.clock.set_wall(office.clock.peek() + dt.timedelta(minutes=9))
        opened(office).reconcile()
        opened(office).settle(change.id)
    assert (armed.hits, opened(office).get(change.id).expect_attempt().number) == (1, 1)
    assert opened(office).get(change.id).attention is None

    office.sandbox.faults.clear()
    office.pass_time(120)
    opened(office).reconcile()
    opened(office).reconcile()
    assert opened(office).get(change.id).expect_attempt().number == 2
    assert len(office.sandbox.tickets()) == 1


def test_a_second_create_that_is_lost_as_well_waits_for_a_person(office: Office) -> None:
    """The policy's number is the limit: a create that failed twice is not sent again."""
    workflow = opened(office)
    armed = lose_every_answer(office, "502", processed=False)
    change = workflow.apply(subject=SUBJECT, **asked())
    use_up_lookups(office, workflow)
    for _ in range(4):
        office.pass_time(150)
        workflow.reconcile()

    after = workflow.get(change.id)
    assert (armed.hits, after.expect_attempt().number, after.expect_attempt().phase) == (2, 2, Phase.UNKNOWN)
    assert reason_of(after) is AttentionReason.NOT_FOUND


def test_a_failed_look_up_sends_nothing_again(office: Office) -> None:
    """Only an answered look-up shows that there is no ticket."""
    workflow = opened(office)
    armed = lose_every_answer(office, "502", processed=False)
    office.sandbox.faults.status("get_tickets", 503, always=True)
    change = workflow.apply(subject=SUBJECT, **asked())
    use_up_lookups(office, workflow)

    after = workflow.get(change.id)
    assert (armed.hits, after.expect_attempt().number) == (1, 1)
    assert reason_of(after) is AttentionReason.LOOKUP_FAILED


def test_a_duplicate_of_a_late_request_is_reported(office: Office) -> None:
    """Both tickets carry the same key: one is bound, and the sweep after its end reports the other."""
    workflow = opened(office)
    lose_every_answer(office, "502", processed=False)
    change = workflow.apply(subject=SUBJECT, **asked())
    office.sandbox.faults.clear()
    office.pass_time(120)
    workflow.reconcile()
    workflow.reconcile()
    bound = workflow.get(change.id)
    late = file_behind_our_back(office, change)

    office.approve(bound)
    workflow.settle(change.id)
    office.pass_time(workflow.policy.sweep_every.total_seconds() + 1)
    workflow.reconcile()

    after = workflow.get(change.id)
    assert after.state == State.APPROVED
    assert after.attention is not None
    assert (after.attention.reason, after.attention.facts["ticket"]) == (AttentionReason.DUPLICATE, str(late))


class Rebooted:
    """A clock of a machine that was rebooted: its wall clock goes on, the time since its boot does not."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._began = clock.elapsed()

    def now(self) -> dt.datetime:
        """Return the wall-clock time."""
        return self._clock.now()

    def elapsed(self) -> float:
        """Return the seconds since the boot."""
        return self._clock.elapsed() - self._began

    def boot(self) -> tuple[str, int]:
        """Return an id of this boot, and the microseconds since."""
        return f"boot at {self._began}", round(self.elapsed() * 1_000_000)


class DatedGateway(LedgerGateway):
    """A gateway whose answers may show its own clock."""

    shows_its_time = True

    def time(self) -> dt.datetime | None:
        """Return the ticket system's time."""
        return self.ledger.now() if self.shows_its_time else None


@pytest.mark.parametrize(("shows_its_time", "sent"), [(True, 2), (False, 1)])
def test_machine_that_is_rebooted_between_looks_goes_by_the_gateways_date(*, shows_its_time: bool, sent: int) -> None:
    """Where nothing but the wall clock says that the waits have passed, a person decides."""
    world = World(gateway=DatedGateway)
    assert isinstance(world.gateway, DatedGateway)
    world.gateway.shows_its_time = shows_its_time
    lost = world.faults.time_out("create", always=True)
    policy = Policy(lookups=LOOKUPS, resends=1)
    change = world.workflow(policy=policy, clock=Rebooted(world.clock)).apply(subject=SUBJECT, **asked())
    for _ in range(4):
        world.clock.advance(121)
        world.workflow(policy=policy, clock=Rebooted(world.clock)).reconcile()

    assert lost.hits == sent
    attention = world.workflow().get(change.id).attention
    assert attention is not None
    assert attention.reason is AttentionReason.NOT_FOUND

"""Sends and look-ups of a submission: what is asked, in which order, until when, and what it takes for an answer."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow import State
from itsm_workflow.change import Phase
from itsm_workflow.errors import AlreadyApplied, GatewayUnavailable, InvalidForm, SettingsError
from itsm_workflow.gateway.protocol import Created, FoundTicket, NotSent, Refused, Unknown
from itsm_workflow.machine.evidence import Channel, LookupNoted
from itsm_workflow.policy import Policy
from tests.support.callback_examples import body, knock
from tests.support.desk import ASKED, SUBJECT, Desk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.gateway.protocol import CreateAnswer
    from itsm_workflow.secrets import Secret
    from itsm_workflow.storage.protocol import Write

LEASE = Policy().send_lease.total_seconds()
SENT = "REQ20260302000077"


class Scene:
    """A desk, and one workflow."""

    def __init__(self, **policy: Any) -> None:
        self.desk = Desk()
        self.faults = self.desk.faults
        self.workflow: Workflow = self.desk.workflow(policy=Policy(**policy))

    def finds(self, call: str, *found: FoundTicket) -> None:
        """Let a search find these tickets."""
        self.faults.answer(call, found, always=True)

    @property
    def calls(self) -> list[str]:
        """The methods of the gateway that were called, without the list that each pass reads."""
        return [call.name for call in self.faults.calls if call.name != "undelivered"]

    def takes(self, call: str, seconds: float) -> None:
        """Let a call of the gateway take some time."""
        self.desk.faults.meanwhile(call, lambda: self.desk.clock.advance(seconds), always=True)

    def apply(self) -> ChangeRequest:
        """File the change."""
        return self.workflow.apply(subject=SUBJECT, **ASKED)

    def lost(self) -> ChangeRequest:
        """File the change, with a create that was not carried out and of which nothing is known."""
        self.faults.time_out("create")
        change = self.apply()
        assert change.expect_attempt().phase is Phase.UNKNOWN
        self.faults.calls.clear()
        return change

    def given_up(self) -> ChangeRequest:
        """File the change and look it up in vain until a person decides."""
        change = self.lost()
        for wait in self.workflow.policy.lookups:
            self.desk.pass_time(wait.total_seconds())
            self.workflow.reconcile()
        self.faults.calls.clear()
        return change

    def slow_commit(self, seconds: float) -> None:
        """Let the commit that marks the send take some time."""

        def wait(writes: Sequence[Write]) -> None:
            if any(write.row.workflow == self.workflow.definition.name for write in writes):
                self.desk.store.after = lambda _: None
                self.desk.clock.advance(seconds)

        self.desk.store.after = wait

    def ticket(self, change: ChangeRequest, number: int, **parts: Any) -> FoundTicket:
        """Return a ticket that carries the change's key."""
        values: dict[str, Any] = {
            "id": str(number),
            "sn": SENT,
            "url": "",
            "title": change.form.title,
            "creator": "alice",
            "key": change.expect_attempt().key,
            "differences": (),
            "unseen": (),
        }
        return FoundTicket(**{**values, **parts})


# ---------------------------------------------------------------- the time of a send


@pytest.mark.parametrize(("too_long", "is_sent"), [(0.0, True), (0.25, False)])
def test_a_send_begins_while_its_lease_covers_the_whole_call(*, too_long: float, is_sent: bool) -> None:
    """To the last instant: a call that begins then ends with the lease."""
    scene = Scene(apply_budget=dt.timedelta(minutes=5))
    deadline = scene.desk.gateway.settings.deadline
    scene.slow_commit(LEASE - deadline + too_long)

    change = scene.apply()

    assert ("create" in scene.calls, change.state) == (is_sent, State.PENDING if is_sent else State.APPLYING)
    if not is_sent:
        attempt = change.expect_attempt()
        assert (attempt.phase, attempt.problem) == (
            Phase.QUEUED,
            "this worker took 10.2 s before it could send, and its lease may end before the call does",
        )


@pytest.mark.parametrize(("too_long", "is_sent"), [(0.0, True), (0.25, False)])
def test_a_send_begins_while_its_least_time_is_left_of_the_budget(*, too_long: float, is_sent: bool) -> None:
    """After the commit as before it."""
    scene = Scene()
    policy = scene.workflow.policy
    scene.slow_commit((policy.apply_budget - policy.send_least).total_seconds() + too_long)

    change = scene.apply()

    assert ("create" in scene.calls, change.state) == (is_sent, State.PENDING if is_sent else State.APPLYING)
    if not is_sent:
        assert change.expect_attempt().problem == "too little time was left to send the request; a later pass sends it"


@pytest.mark.parametrize(("too_long", "is_marked"), [(0.0, True), (0.25, False)])
def test_a_change_is_marked_for_sending_while_its_least_time_is_left(*, too_long: float, is_marked: bool) -> None:
    """A change that is not marked was not tried, and waits for no retry."""
    scene = Scene()
    policy = scene.workflow.policy
    scene.takes("service", (policy.apply_budget - policy.send_least).total_seconds() + too_long)

    change = scene.apply()

    marks = [entry.trigger for entry in scene.workflow.history(change.id)].count("mark_sending")
    assert (marks, change.state) == ((1, State.PENDING) if is_marked else (0, State.APPLYING))


@pytest.mark.parametrize("step_by_step", [False, True])
def test_the_lease_of_a_send_begins_after_the_service_was_looked_up(*, step_by_step: bool) -> None:
    """A catalogue that takes its time leaves the send the whole of it."""
    scene = Scene(apply_budget=dt.timedelta(minutes=5))
    scene.takes("service", LEASE)

    workflow = scene.workflow
    change = workflow.submit(workflow.draft(subject=SUBJECT, **ASKED).id) if step_by_step else scene.apply()

    assert (change.state, scene.calls) == (State.PENDING, ["service", "create"])


@pytest.mark.parametrize("step_by_step", [False, True])
def test_the_lease_of_a_send_counts_from_before_its_mark(
    monkeypatch: pytest.MonkeyPatch, *, step_by_step: bool
) -> None:
    """Whatever is between: another worker takes the send for lost by the time of the mark."""
    scene = Scene(apply_budget=dt.timedelta(minutes=5))
    workflow = scene.workflow
    draft = workflow.draft(subject=SUBJECT, **ASKED)
    prepare = workflow._journal._prepared

    def slow(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - passed on
        prepared = prepare(*given, **named)
        scene.desk.clock.advance(LEASE)
        return prepared

    monkeypatch.setattr(workflow._journal, "_prepared", slow)
    change = workflow.submit(draft.id) if step_by_step else scene.apply()

    assert (change.id, change.expect_attempt().phase, scene.calls) == (draft.id, Phase.QUEUED, ["service"])


def test_a_subject_that_is_taken_asks_the_gateway_nothing() -> None:
    """It is known from the store."""
    scene = Scene()
    change = scene.apply()
    scene.faults.calls.clear()

    with pytest.raises(AlreadyApplied, match=change.id):
        scene.apply()
    assert scene.calls == []


def test_a_draft_that_the_gateway_would_refuse_by_now_looks_up_no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes back to whoever asked at once."""
    scene = Scene()
    draft = scene.workflow.draft(subject=SUBJECT, **ASKED)
    monkeypatch.setattr(scene.desk.gateway, "check_form", lambda _: [("title", "接入", "is taken")])

    with pytest.raises(InvalidForm, match="is taken"):
        scene.workflow.submit(draft.id)
    assert scene.calls == []


def test_a_change_that_was_not_marked_costs_no_second_write() -> None:
    """The next pass marks and sends it."""
    scene = Scene()
    scene.takes("service", 6)
    change = scene.apply()
    assert (scene.calls, change.expect_attempt().phase) == (["service"], Phase.QUEUED)

    scene.workflow.reconcile()

    assert scene.workflow.get(change.id).state == State.PENDING


# ---------------------------------------------------------------- sending again


def test_a_ticket_that_turned_up_keeps_a_second_send_away() -> None:
    """It is looked for right before, and bound by the next look."""
    scene = Scene()
    change = scene.given_up()
    scene.finds("find_by_key", scene.ticket(change, 77))

    scene.workflow.resend(change.id, actor="carol")

    assert "create" not in scene.calls
    assert scene.calls[0] == "find_by_key"
    problems = [getattr(entry.evidence, "problem", "") for entry in scene.workflow.history(change.id)]
    assert "a ticket with its key was found before the request was sent again" in problems
    scene.desk.pass_time(1)
    scene.workflow.reconcile()
    assert scene.workflow.get(change.id).expect_ticket().id == "77"


def test_a_first_send_is_not_looked_up_before() -> None:
    """There can be no ticket."""
    scene = Scene()
    scene.apply()
    assert scene.calls == ["service", "create"]


def test_a_second_send_comes_after_its_look_up() -> None:
    """With the key of the first one."""
    scene = Scene()
    change = scene.given_up()

    after = scene.workflow.resend(change.id, actor="carol")

    assert scene.calls == ["find_by_key", "create"]
    assert (after.state, after.expect_attempt().key) == (State.PENDING, change.expect_attempt().key)


@pytest.mark.parametrize(("too_long", "is_sent"), [(0.0, True), (0.25, False)])
def test_a_look_up_that_took_its_time_sends_nothing_again_late(*, too_long: float, is_sent: bool) -> None:
    """What is left of the lease counts once more after it."""
    scene = Scene()
    change = scene.given_up()
    scene.takes("find_by_key", LEASE - scene.desk.gateway.settings.deadline + too_long)

    after = scene.workflow.resend(change.id, actor="carol")

    assert ("create" in scene.calls) == is_sent
    assert after.state == (State.PENDING if is_sent else State.APPLYING)
    if not is_sent:
        assert (after.expect_attempt().phase, after.expect_attempt().number) == (Phase.QUEUED, 2)


def test_a_second_send_whose_callback_has_no_address_asks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings are wrong, whatever the gateway says: it is tried again later, and says why."""
    scene = Scene()
    change = scene.given_up()

    def fail(change_id: str, number: int) -> tuple[Secret | None, dict[str, Secret]]:
        raise SettingsError(f"no address for {change_id == change.id} {number}")

    monkeypatch.setattr(scene.workflow._addresses, "make", fail)
    attempt = scene.workflow.resend(change.id, actor="carol").expect_attempt()

    assert scene.calls == []
    assert (attempt.phase, attempt.problem) == (Phase.QUEUED, "SettingsError: no address for True 2")


@pytest.mark.parametrize("answer", [NotSent(problem="no route"), Unknown(problem="reset")], ids=["not sent", "unknown"])
def test_only_a_refusal_is_looked_up_at_once(answer: CreateAnswer) -> None:
    """What was not sent made no ticket, and what is unknown has a schedule."""
    scene = Scene(lookups=(dt.timedelta(seconds=5),))
    scene.faults.answer("create", answer)
    scene.apply()
    assert scene.calls == ["service", "create"]


def test_a_refusal_is_looked_up_before_it_is_believed() -> None:
    """Then the change is a draft again."""
    scene = Scene()
    scene.faults.answer("create", Refused(remote_code=3900003, message="no such service"))

    change = scene.apply()

    assert (scene.calls, change.state) == (["service", "create", "find_by_key"], State.DRAFT)


def test_a_ticket_that_another_change_holds_is_told_to_a_person_and_looked_for_later() -> None:
    """The answer named another's: which one, and what is known of it."""
    scene = Scene()
    other = scene.workflow.apply(subject="another", **ASKED).expect_ticket()
    scene.faults.answer("create", Created(id=other.id, sn=other.sn, url=""))

    change = scene.apply()

    assert change.attention is not None
    assert change.attention.facts == {"ticket": other.id, "sn": other.sn, "held_by": "another change"}
    assert (change.state, change.ticket) == (State.APPLYING, None)
    assert scene.workflow.reconcile().due == 0, "it is looked at when its send counts as lost"


# ---------------------------------------------------------------- looking up


def look(scene: Scene, change: ChangeRequest) -> ChangeRequest:
    """Look the change up after a callback named a number."""
    knock(scene.workflow, change.id, body(sn=SENT))
    scene.faults.calls.clear()
    scene.desk.pass_time(1)
    scene.workflow.reconcile()
    return scene.workflow.get(change.id)


def test_an_empty_look_up_says_that_there_is_none() -> None:
    """In the words that a person reads."""
    scene = Scene()
    change = scene.lost()
    scene.desk.pass_time(1)
    scene.workflow.reconcile()

    assert scene.workflow.get(change.id).expect_attempt().look_problem == "no ticket carries its key"
    assert scene.calls == ["find_by_key"]


def test_a_number_is_looked_up_beside_the_key() -> None:
    """The search by the key may lag behind."""
    scene = Scene()
    change = scene.lost()
    scene.finds("find_by_sn", scene.ticket(change, 77))

    found = look(scene, change).expect_ticket()

    assert scene.calls[:2] == ["find_by_key", "find_by_sn"]
    assert (found.id, found.channel) == ("77", Channel.CALLBACK)


def test_a_ticket_that_the_key_finds_needs_no_number() -> None:
    """It is ours."""
    scene = Scene()
    change = scene.lost()
    scene.finds(
        "find_by_key", scene.ticket(change, 77), scene.ticket(change, 78, differences=("title: sent a, shows b",))
    )

    found = look(scene, change).expect_ticket()

    assert "find_by_sn" not in scene.calls
    assert (found.id, found.channel) == ("77", Channel.LOOKUP)


def test_a_number_that_cannot_be_looked_up_is_not_answered() -> None:
    """The ticket may be there: this is no proof that there is none."""
    scene = Scene()
    change = scene.lost()
    scene.faults.answer("find_by_sn", GatewayUnavailable("no route", endpoint="get_tickets"), always=True)

    seen = look(scene, change)

    assert seen.expect_attempt().look_problem == "GatewayUnavailable: get_tickets: no route"
    noted = scene.workflow.history(change.id)[-1].evidence
    assert isinstance(noted, LookupNoted)
    assert not noted.answered


def test_a_key_that_cannot_be_looked_up_is_not_answered_by_a_number() -> None:
    """It is asked again as a whole."""
    scene = Scene()
    change = scene.lost()
    scene.faults.answer("find_by_key", GatewayUnavailable("no route", endpoint="get_tickets"), always=True)

    seen = look(scene, change)

    assert scene.calls == ["find_by_key"]
    assert seen.expect_attempt().look_problem == "GatewayUnavailable: get_tickets: no route"


@pytest.mark.parametrize("named", [78, 77])
def test_what_the_key_and_the_number_find_counts_together(named: int) -> None:
    """A forged ticket beside the true one is shown to a person; one ticket is not told twice."""
    scene = Scene()
    change = scene.lost()
    scene.finds("find_by_key", scene.ticket(change, 77, differences=("title: sent a, shows b",)))
    scene.finds("find_by_sn", scene.ticket(change, named, differences=("title: sent a, shows c",)))

    seen = look(scene, change)

    assert seen.attention is not None
    assert seen.attention.facts["tickets"] == ("77, 78" if named == 78 else "77")


def test_a_number_that_cannot_be_looked_up_hides_nothing_that_the_key_found() -> None:
    """A person is shown that ticket."""
    scene = Scene()
    change = scene.lost()
    scene.finds("find_by_key", scene.ticket(change, 77, differences=("title: sent a, shows b",)))
    scene.faults.answer("find_by_sn", GatewayUnavailable("no route", endpoint="get_tickets"), always=True)

    seen = look(scene, change)

    assert seen.attention is not None
    assert seen.attention.facts["tickets"] == "77"


def test_a_found_ticket_that_another_change_holds_is_told_to_a_person() -> None:
    """It carries the key and is bound already: nobody knows whose it is."""
    scene = Scene()
    other = scene.workflow.apply(subject="another", **ASKED).expect_ticket()
    change = scene.lost()
    scene.finds("find_by_key", scene.ticket(change, int(other.id), sn=other.sn))
    scene.desk.pass_time(1)

    scene.workflow.reconcile()

    seen = scene.workflow.get(change.id)
    assert seen.attention is not None
    assert seen.attention.facts == {"ticket": other.id, "sn": other.sn, "held_by": "another change"}
    assert seen.ticket is None


@pytest.mark.parametrize("act", ["look", "resend"])
def test_a_ticket_that_was_not_seen_to_carry_the_key_is_nobodys(act: str) -> None:
    """It binds nothing, and keeps no send away."""
    scene = Scene()
    change = scene.given_up() if act == "resend" else scene.lost()
    for call in ("find_by_key", "find_by_sn"):
        scene.finds(call, scene.ticket(change, 77, key=""))
    acts: dict[str, Callable[[], object]] = {
        "look": lambda: look(scene, change),
        "resend": lambda: scene.workflow.resend(change.id, actor="carol"),
    }

    acts[act]()

    assert ("create" in scene.calls) == (act == "resend")
    ticket = scene.workflow.get(change.id).ticket
    assert ticket is None or ticket.id != "77"

"""The engine: what fires, what is refused, and that it keeps nothing of a change."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import attrs
import pytest
from transitions import Machine, MachineError

from itsm_workflow.change import AttentionReason, EffectStatus, Entry
from itsm_workflow.errors import TransitionRefused
from itsm_workflow.machine import engine
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, State, Trigger, collector_change
from itsm_workflow.machine.engine import OPENING, fire, step
from tests.support import examples as x
from tests.support.limits import PATIENCE
from tests.unit.machine.table import LEADS, PAIRS

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest

STANDING = {
    "draft": x.DRAFT,
    "applying": x.QUEUED,
    "pending": x.PENDING,
    "failed_callback": x.FAILED_CALLBACK,
    "approved": x.APPROVED,
    "rejected": x.REJECTED,
}
APPLYING = {
    "mark_unsent": x.SENDING,
    "mark_unknown": x.SENDING,
    "refuse": x.SENDING,
    "note_lookup": x.UNKNOWN,
    "resend": x.EXHAUSTED,
    "abandon": x.EXHAUSTED,
}
REFUSAL = ev.Refusal(number=1, owner="w1", remote_code=3900003, message="no such service", looked_up=True)
WANTED = ev.Decision(reason="please")
EVIDENCE = {
    "revise": ev.Drafted(form=attrs.evolve(x.FORM, title="Collect all logs")),
    "submit": x.submission(),
    "renumber": ev.SubmissionNumber(number=2),
    "mark_sending": x.mark(),
    "mark_unsent": x.mark(problem="connection refused"),
    "mark_unknown": x.mark(problem="connection reset"),
    "note_lookup": ev.LookupNoted(number=1, answered=True),
    "record_ticket": x.confirmed(),
    "refuse": REFUSAL,
    "resend": WANTED,
    "receive_callback": ev.CallbackHeard(sn="REQ7", digest="d1", number=1),
    "fail_callback": ev.Undelivered(sn="REQ7"),
    "resume": x.snapshot(),
    "suspect_ending": x.withdrawn(),
    "approve": x.finished(approved=True),
    "attest_approval": x.attested(),
    "reject": x.finished(approved=False),
    "record_contradiction": ev.LateTicket(gateway="bk_itsm", id="8", sn="REQ8"),
    "request_withdrawal": WANTED,
    "accept_after_withdrawal": WANTED,
    "abandon": WANTED,
    "raise_attention": ev.Concern(reason=AttentionReason.OVERDUE),
    "clear_attention": WANTED,
    "start_effect": ev.EffectStart(effect="E1", attempt=1, until=x.later(330), owner="w1"),
    "deliver_effect": ev.EffectResult(effect="E1", attempt=1),
    "fail_effect": ev.EffectResult(effect="E1", attempt=1, error="boom"),
    "retry_effect": ev.EffectRetry(effect="E1"),
}
KNOWN_ALREADY = {("pending", "record_ticket"), ("failed_callback", "record_ticket"), ("approved", "approve")}
KNOWN_ALREADY |= {("rejected", "reject")}


def standing(state: str, trigger: str) -> ChangeRequest:
    """Return a change in the state for which the trigger's evidence is right, if the table has such a row."""
    change = APPLYING.get(trigger, x.QUEUED) if state == "applying" else STANDING[state]
    if (state, trigger) == ("pending", "resume"):
        return x.SUSPECTED
    if trigger == "clear_attention":
        return x.with_attention(change)
    if trigger == "attest_approval" or (trigger == "abandon" and change.ticket is not None):
        return x.with_attention(change, AttentionReason.INCONCLUSIVE)
    if trigger in {"deliver_effect", "fail_effect"}:
        return x.with_effect(change, x.started())
    if trigger == "accept_after_withdrawal":
        return x.with_effect(change, x.planned(EffectStatus.DELIVERED, name="withdraw"))
    if trigger == "start_effect":
        return x.with_effect(change)
    return x.with_effect(change, x.planned(EffectStatus.PARKED)) if trigger == "retry_effect" else change


@pytest.mark.parametrize(("state", "trigger"), PAIRS)
def test_each_trigger_in_each_state_moves_or_is_refused(state: str, trigger: str) -> None:
    """The table has a row and the right evidence passes it; or the refusal names state and trigger."""
    change, evidence, leads = standing(state, trigger), EVIDENCE[trigger], LEADS[trigger].get(state)
    possible = tuple(name for name in LEADS if state in LEADS[name])
    assert possible == COLLECTOR_CHANGE.triggers(state)

    if leads is None:
        with pytest.raises(TransitionRefused) as caught:
            x.told(change, trigger, evidence)
        refused = caught.value
        assert (state, trigger) == (refused.state, refused.trigger)
        assert f"the table has no transition for it from {state}" == refused.reason
        assert str(refused).startswith(f"{trigger} was refused in state {state}: ")
        return

    moved, entry = x.told(change, trigger, evidence, at=30, seq=7)

    assert (state if leads == "=" else leads) == moved.state
    assert ((state, trigger) in KNOWN_ALREADY) == (entry is None)
    if entry is not None:
        told = (entry.change_id, entry.seq, entry.at, entry.trigger, entry.source, entry.dest, entry.actor)
        assert (change.id, 7, x.later(30), trigger, state, moved.state, "carol") == told
        assert (evidence, x.later(30)) == (entry.evidence, moved.updated_at)


@pytest.mark.parametrize(("state", "trigger"), [pair for pair in PAIRS if pair[0] in LEADS[pair[1]]])
def test_evidence_of_a_wrong_type_is_refused(state: str, trigger: str) -> None:
    """No trigger is believed without the facts that it must bring."""
    wanted = COLLECTOR_CHANGE.rows(state, trigger)[0].evidence_types
    change, names = standing(state, trigger), " or ".join(kind.__name__ for kind in wanted)
    for wrong in (None, "approved", {"status": "FINISHED"}, *EVIDENCE.values()):
        if not isinstance(wrong, wanted):
            with pytest.raises(TransitionRefused) as caught:
                x.told(change, trigger, wrong)
            assert f"it needs {names} as evidence, not {type(wrong).__name__}" == caught.value.reason


def test_a_refused_fire_changes_nothing() -> None:
    """The change that was passed in is what it was, to the letter."""
    before = repr(x.PENDING)
    with pytest.raises(TransitionRefused):
        x.told(x.PENDING, Trigger.APPROVE, x.finished(approved=False))

    assert before == repr(x.PENDING)


def test_an_unknown_trigger_is_refused_with_all_that_are_known() -> None:
    """A misspelt trigger gets the list of the right ones."""
    with pytest.raises(TransitionRefused) as caught:
        x.told(x.PENDING, "aprove", x.finished(approved=True))

    assert f"the workflow has no such trigger; its triggers are {', '.join(sorted(LEADS))}" == caught.value.reason


def test_a_change_in_a_state_that_the_workflow_lacks_is_refused() -> None:
    """A stored change of another version of the table is a refusal that names the state, not a crash."""
    with pytest.raises(TransitionRefused) as caught:
        x.told(attrs.evolve(x.PENDING, state="archived"), Trigger.APPROVE, x.finished(approved=True))

    found = (caught.value.state, caught.value.reason)
    assert found == ("archived", "workflow collector_change has no such state")


def test_a_missing_fact_is_a_refusal() -> None:
    """A change without a ticket cannot be approved, whatever state it claims."""
    with pytest.raises(TransitionRefused, match="the change has no ticket"):
        x.told(attrs.evolve(x.PENDING, ticket=None), Trigger.APPROVE, x.finished(approved=True))


def test_every_reason_is_told_where_a_trigger_has_several_rows() -> None:
    """Whoever is refused learns what each row wanted."""
    rows = COLLECTOR_CHANGE.transitions
    second = next(row for row in rows if row.trigger == Trigger.FAIL_CALLBACK)
    twice = attrs.evolve(second, dest=None, evidence=ev.Concern, guard=lambda _facts: "not today")
    definition = attrs.evolve(COLLECTOR_CHANGE, transitions=(*rows, twice))
    wrong = ev.Undelivered(sn="REQ8")
    with pytest.raises(TransitionRefused) as caught:
        fire(definition, x.PENDING, "fail_callback", wrong, now=x.NOW, policy=x.POLICY, seq=4, actor="")

    first, other = "the undelivered callback is not about our ticket", "it needs Concern as evidence, not Undelivered"
    assert f"{first} and {other}" == caught.value.reason


@pytest.mark.parametrize(
    ("change", "trigger", "evidence"),
    [
        pytest.param(x.APPROVED, "approve", x.finished(approved=True), id="approved again"),
        pytest.param(x.REJECTED, "reject", x.finished(approved=False), id="rejected again"),
        pytest.param(x.WITHDRAWN, "reject", x.withdrawn(), id="withdrawn again"),
        pytest.param(x.PENDING, "record_ticket", x.confirmed(channel=ev.Channel.LOOKUP), id="ticket found again"),
        pytest.param(x.DRAFT, "revise", ev.Drafted(form=x.FORM), id="the same form"),
        pytest.param(
            x.after(x.PENDING, ("receive_callback", EVIDENCE["receive_callback"])),
            "receive_callback",
            EVIDENCE["receive_callback"],
            id="callback repeated",
        ),
        pytest.param(
            x.with_attention(x.PENDING), "raise_attention", EVIDENCE["raise_attention"], id="the same concern"
        ),
        pytest.param(
            x.after(x.APPROVED, ("record_contradiction", EVIDENCE["record_contradiction"])),
            "record_contradiction",
            EVIDENCE["record_contradiction"],
            id="the same contradiction",
        ),
        pytest.param(
            x.after(x.PENDING, ("request_withdrawal", WANTED)), "request_withdrawal", WANTED, id="withdrawal twice"
        ),
    ],
)
def test_known_facts_make_no_entry(change: ChangeRequest, trigger: str, evidence: object) -> None:
    """An internal trigger that brings nothing new writes nothing, so that every caller may repeat it."""
    moved, entry = x.told(change, trigger, evidence, at=3600)

    assert entry is None
    assert change is moved


def test_effects_are_planned_once_on_entry() -> None:
    """The effects of a state come with the entry that enters it, and with no other."""
    change, entry = x.told(x.PENDING, Trigger.APPROVE, x.finished(approved=True), at=20, seq=5)

    assert entry is not None
    assert (f"{x.ID}.start.0.0",) == entry.effects
    [effect] = change.effects
    wanted = (f"{x.ID}.start.0.0", "start", EffectStatus.PLANNED, x.later(20), 0, "carol")
    assert wanted == (effect.id, effect.name, effect.status, effect.due_at, effect.attempts, effect.actor)
    assert (change, None) == x.told(change, Trigger.APPROVE, x.finished(approved=True), seq=6)


def test_a_state_without_effects_plans_none() -> None:
    """Rejection plans nothing here, and effects may be left out altogether."""
    assert x.REJECTED.effects == ()
    change, entry = fire(
        COLLECTOR_CHANGE,
        x.PENDING,
        Trigger.APPROVE,
        x.finished(approved=True),
        now=x.NOW,
        policy=x.POLICY,
        seq=5,
        actor="carol",
    )
    assert change.effects == ()
    assert entry is not None


def test_staying_in_a_state_plans_no_effects() -> None:
    """An internal trigger does not enter the state that it stays in."""
    change, entry = fire(
        COLLECTOR_CHANGE,
        x.PENDING,
        Trigger.RAISE_ATTENTION,
        EVIDENCE["raise_attention"],
        now=x.NOW,
        policy=x.POLICY,
        seq=5,
        actor="carol",
        effects={State.PENDING: ("tell",)},
    )
    assert entry is not None
    assert (change.effects, entry.effects) == ((), ())


def test_an_effect_that_an_update_plans_is_told_by_the_entry() -> None:
    """The built-in withdrawal is planned by its trigger; an effect that was planned before is not named again."""
    change, entry = x.told(x.with_effect(x.PENDING), Trigger.REQUEST_WITHDRAWAL, WANTED, seq=5)

    assert entry is not None
    assert (f"{x.ID}.withdraw.0.0",) == entry.effects == tuple(effect.id for effect in change.effects[1:])


def test_a_history_begins_with_the_draft() -> None:
    """The first entry has no source and brings the form."""
    change, entry = x.opened()

    assert (change.id, change.workflow, change.definition_version, change.subject, change.state) == (
        x.ID,
        "collector_change",
        1,
        "collector-1",
        "draft",
    )
    first = Entry(
        change_id=x.ID,
        seq=1,
        at=x.NOW,
        trigger=OPENING,
        source="",
        dest="draft",
        actor="alice",
        evidence=ev.Drafted(form=x.FORM),
    )
    assert first == entry


def test_nothing_of_a_change_is_kept_by_the_machine() -> None:
    """No model is registered, no state is held, and no trigger exists beside those of the table."""
    x.after(x.DRAFT, ("submit", x.submission()))
    machine = engine._machine(COLLECTOR_CHANGE)

    assert machine.models == []
    assert set(LEADS) == set(machine.events)
    assert {state.value for state in State} == set(machine.states)
    assert engine._machine(COLLECTOR_CHANGE) is machine


def test_transitions_fires_events_on_an_object_that_is_not_registered() -> None:
    """The engine relies on this of the library transitions; a release that changes it must not go unnoticed."""

    class Moved:
        state = "off"

    told: list[object] = []

    def condition(one: object, two: object) -> bool:
        told.append((one, two))
        return True

    machine = Machine(model=None, states=["off", "on"], initial="off", auto_transitions=False)
    machine.add_transition("switch", ["off"], "on", conditions=[condition])
    machine.add_transition("touch", ["on"], None, conditions=[condition])
    moved = Moved()

    assert machine.events["switch"].trigger(moved, moved, "facts") is True
    assert ("on", [(moved, "facts")]) == (moved.state, told)
    assert machine.events["touch"].trigger(moved, moved, "more") is True
    assert ("on", [], {"switch", "touch"}) == (moved.state, machine.models, set(machine.events))
    with pytest.raises(MachineError):
        machine.events["switch"].trigger(moved, moved, "facts")


def test_threads_share_one_machine() -> None:
    """Eight threads that walk changes through one definition, and build its machine at once, see only their own."""
    definition, barrier = collector_change(), threading.Barrier(8)
    way = [("submit", x.submission()), ("mark_sending", x.mark()), ("record_ticket", x.confirmed())]
    ends: dict[int, list[tuple[str, str]]] = {}

    def walk(number: int) -> None:
        barrier.wait(timeout=PATIENCE)
        for _ in range(25):
            approved = number % 2 == 0
            last = ("approve" if approved else "reject", x.finished(approved=approved))
            change, seen = x.DRAFT, ""
            for seq, (trigger, evidence) in enumerate([*way, last], start=2):
                change, _ = fire(
                    definition, change, trigger, evidence, now=x.NOW, policy=x.POLICY, seq=seq, actor=str(number)
                )
                seen += f"{change.state} "
            ends.setdefault(number, []).append((change.state, seen))

    threads = [threading.Thread(target=walk, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=PATIENCE)

    for number in range(8):
        end = "rejected" if number % 2 else "approved"
        assert [(end, f"applying applying pending {end} ")] * 25 == ends[number]
    assert engine._machine(definition).models == []


def test_step_tells_where_a_trigger_leads() -> None:
    """The bare step returns the state and the row that fired."""
    state, row = step(COLLECTOR_CHANGE, "draft", "submit", x.facts(x.DRAFT, x.submission()))

    assert (state, row.trigger) == ("applying", Trigger.SUBMIT)

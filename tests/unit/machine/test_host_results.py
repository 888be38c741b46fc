"""What the guards and updates of a host's own rows return is checked before anything of it is stored."""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import attrs
import pytest

from itsm_workflow.change import Attention, AttentionReason, EffectStatus, Outcome, Ticket
from itsm_workflow.errors import DefinitionError, TransitionRefused
from itsm_workflow.machine import effect_updates, updates
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.definition import Facts, Transition
from itsm_workflow.readonly import ReadOnlyDict
from tests.support import examples as x
from tests.support import workflows as zoo
from tests.support.workflows import DEPLOY, Deployed, Stage, Verb

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.change import ChangeRequest

GRANTED = attrs.evolve(x.PENDING, workflow="deployment", state="granted")
TICKET = Ticket(gateway="bk_itsm", id="9", sn="REQ9", url="", channel="answer", recorded_at=x.NOW)


def fired(row: Transition, trigger: str = "deploy", evidence: object = None) -> ChangeRequest:
    """Fire a row of the host's own on a change that was granted."""
    brought = Deployed(size=1) if evidence is None else evidence
    return x.told(GRANTED, trigger, brought, definition=zoo.deployment(row))[0]


def sets(**values: Any) -> Callable[[Facts], ChangeRequest]:
    """Return an update that sets some fields."""
    return lambda facts: attrs.evolve(facts.change, **values)


@pytest.mark.parametrize(
    ("said", "shown"), [(True, "True"), (False, "False"), ("", "''"), (5, "an int"), ([], "a list")]
)
def test_a_guard_says_none_or_why_not(said: object, shown: str) -> None:
    """Whatever else it returns is neither: the change stays, and the host is told by the trigger's name."""
    with pytest.raises(DefinitionError, match=f"guard of trigger deploy returned {shown}: return None to allow"):
        fired(attrs.evolve(DEPLOY, guard=lambda _facts: cast("str", said)))


@pytest.mark.parametrize(("made", "shown"), [(None, "None"), (5, "an int"), (attrs.asdict(GRANTED), "a dict")])
def test_an_update_returns_the_change(made: object, shown: str) -> None:
    """A return that was forgotten is named as one."""
    with pytest.raises(DefinitionError, match=f"update of trigger deploy returned {shown}: return the change"):
        fired(attrs.evolve(DEPLOY, update=lambda _facts: cast("ChangeRequest", made)))


@pytest.mark.parametrize("data", [5, [], "text", None, [("a", 1)]])
def test_the_data_of_a_change_are_a_json_object(data: object) -> None:
    """Anything else would be stored, and the change could never be read again."""
    with pytest.raises(DefinitionError, match="sets data that cannot be stored: data must be a dict"):
        fired(attrs.evolve(DEPLOY, update=sets(data=data)))


@pytest.mark.parametrize("data", [{"a": 1}, MappingProxyType({"a": 1}), ReadOnlyDict({"a": 1})])
def test_the_data_of_a_change_may_be_read_only(data: object) -> None:
    """An update may return what it got."""
    assert fired(attrs.evolve(DEPLOY, update=sets(data=data))).data == {"a": 1}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "another"),
        ("workflow", "another"),
        ("definition_version", True),
        ("subject", "another"),
        ("state", "live"),
        ("created_at", x.later(1)),
        ("created_at", dt.datetime(2020, 1, 1)),  # noqa: DTZ001 - the case
        ("submission", -5),
        ("round", 7),
        ("form", None),
        ("attempt", None),
        ("ticket", TICKET),
        ("outcome", Outcome.APPROVED),
        ("ended_at", "x"),
        ("contradictions", ("made up",)),
    ],
)
def test_an_update_sets_nothing_that_the_library_keeps(field: str, value: object) -> None:
    """By these fields a change is found, and they tell of its ticket what the gateway showed."""
    with pytest.raises(DefinitionError, match=f"update of trigger deploy sets {field}, which updates must not set"):
        fired(attrs.evolve(DEPLOY, update=sets(**{field: value})))


@pytest.mark.parametrize(("field", "value"), [("effects", None), ("effects", [1]), ("planned", "1")])
def test_an_update_leaves_what_can_be_stored(field: str, value: object) -> None:
    """Also in the fields that it may set."""
    with pytest.raises(
        DefinitionError, match=f"update of trigger deploy returns a change that cannot be stored: {field}"
    ):
        fired(attrs.evolve(DEPLOY, update=sets(**{field: value})))


def test_an_update_asks_for_a_person_by_the_hosts_own_reason_alone() -> None:
    """The others are what guards believe."""
    for reason in set(AttentionReason) - {AttentionReason.HOST}:
        forged = Attention(reason=reason, since=x.NOW)
        with pytest.raises(DefinitionError, match="sets attention with a reason of the library"):
            fired(attrs.evolve(DEPLOY, update=sets(attention=forged)))
    with pytest.raises(DefinitionError, match="a change that cannot be stored: attention must be an Attention"):
        fired(attrs.evolve(DEPLOY, update=sets(attention="x")))
    asked = Attention(reason=AttentionReason.HOST, since=x.NOW)
    assert fired(attrs.evolve(DEPLOY, update=sets(attention=asked))).attention == asked
    assert fired(attrs.evolve(DEPLOY, update=sets(attention=None))).attention is None


@pytest.mark.parametrize("reason", AttentionReason)
def test_an_update_clears_no_attention(reason: AttentionReason) -> None:
    """An operator does, who has looked; a newer concern of the host may replace an older one."""
    needy = attrs.evolve(GRANTED, attention=Attention(reason=reason, since=x.NOW, facts={"disk": "full"}))
    clearing = zoo.deployment(attrs.evolve(DEPLOY, update=sets(attention=None)))
    with pytest.raises(DefinitionError, match="update of trigger deploy sets attention to None, which clears"):
        x.told(needy, "deploy", Deployed(size=1), definition=clearing)
    newer = Attention(reason=AttentionReason.HOST, since=x.NOW, facts={"disk": "broken"})
    raising = zoo.deployment(attrs.evolve(DEPLOY, update=sets(attention=newer)))
    kept = x.told(needy, "deploy", Deployed(size=1), definition=raising)[0].attention
    assert kept is not None
    assert kept.reason is reason
    assert "broken" in kept.facts.values()


WITH_EFFECTS = attrs.evolve(GRANTED, effects=(x.planned(id="E1"), x.started(id="E2")), planned=2)


@pytest.mark.parametrize(
    ("effects", "problem"),
    [
        ((), "effect E1 is missing or was changed"),
        (WITH_EFFECTS.effects[1:], "effect E1 is missing or was changed"),
        (WITH_EFFECTS.effects[::-1], "effect E1 is missing or was changed"),
        (
            (attrs.evolve(WITH_EFFECTS.effects[0], status=EffectStatus.DELIVERED), WITH_EFFECTS.effects[1]),
            "effect E1 is missing or was changed",
        ),
        (
            (WITH_EFFECTS.effects[0], attrs.evolve(WITH_EFFECTS.effects[1], owner="another")),
            "effect E2 is missing or was changed",
        ),
        (
            (*WITH_EFFECTS.effects, WITH_EFFECTS.effects[0]),
            "effect E1 was not planned by itsm_workflow.machine.effect_updates.planned",
        ),
        (
            (*WITH_EFFECTS.effects, x.planned(id="E3")),
            "effect E3 was not planned by itsm_workflow.machine.effect_updates.planned",
        ),
    ],
    ids=["none", "dropped", "other order", "delivered", "another owner", "twice", "made by hand"],
)
def test_an_update_leaves_the_effects_that_were_planned(effects: tuple[Any, ...], problem: str) -> None:
    """Only the outcome of a delivery ends an effect: a host's update could lose it, or let it count as delivered."""
    row = attrs.evolve(DEPLOY, update=sets(effects=effects))
    with pytest.raises(DefinitionError, match=f"update of trigger deploy sets effects, but {problem}"):
        x.told(WITH_EFFECTS, "deploy", Deployed(size=1), definition=zoo.deployment(row))


@pytest.mark.parametrize("change", [{"planned": 7}, {"name": "withdraw"}, {"attempts": 1}, {"due_at": None}])
def test_an_update_plans_effects_only_as_the_library_does(change: dict[str, Any]) -> None:
    """With the next number, due now, not tried yet, and with a name that the library does not use."""

    def forged(facts: Facts) -> ChangeRequest:
        planned = effect_updates.planned(facts.change, change.get("name", "tell"), facts.now, facts.actor)
        given = {name: value for name, value in change.items() if name not in {"planned", "name"}}
        effects = (*planned.effects[:-1], attrs.evolve(planned.effects[-1], **given))
        return attrs.evolve(planned, effects=effects, planned=change.get("planned", planned.planned))

    with pytest.raises(DefinitionError, match=r"update of trigger deploy (sets effects|sets planned|returns a change)"):
        x.told(WITH_EFFECTS, "deploy", Deployed(size=1), definition=zoo.deployment(attrs.evolve(DEPLOY, update=forged)))


def test_an_update_may_set_an_equal_value() -> None:
    """Only another value is a problem, not another object with the same value."""
    live = fired(attrs.evolve(DEPLOY, update=lambda facts: attrs.evolve(facts.change, form=attrs.evolve(x.FORM))))

    assert (live.state, live.form) == (Stage.LIVE, x.FORM)


def test_all_problems_of_an_update_are_listed() -> None:
    """In the order of the checks: fields of the library, attention, then what cannot be stored."""
    forged = Attention(reason=AttentionReason.OVERDUE, since=x.NOW)
    with pytest.raises(DefinitionError, match=r"sets subject.*; sets attention.*; returns a change .*: planned must"):
        fired(attrs.evolve(DEPLOY, update=sets(subject="other", attention=forged, planned="1")))


def test_an_update_keeps_values_and_plans_effects() -> None:
    """Both at once, and the state is the engine's."""

    def both(facts: Facts) -> ChangeRequest:
        planned = effect_updates.planned(facts.change, "tell", facts.now, facts.actor)
        return attrs.evolve(planned, data={"size": facts.expect(Deployed).size})

    live = fired(attrs.evolve(DEPLOY, update=both))
    assert (live.state, live.data) == (Stage.LIVE, {"size": 1})
    assert [(one.name, one.status) for one in live.effects] == [("tell", EffectStatus.PLANNED)]


def test_a_row_for_a_trigger_of_the_library_goes_on_from_its_update() -> None:
    """What that one sets stays, and the change is no other for it."""

    def with_word(facts: Facts) -> ChangeRequest:
        return attrs.evolve(updates.heard(facts), data={"heard": 1})

    def elsewhere(facts: Facts) -> ChangeRequest:
        return attrs.evolve(updates.heard(facts), subject="another")

    def replaced(update: Callable[[Facts], ChangeRequest]) -> ChangeRequest:
        table = tuple(
            attrs.evolve(row, update=update) if row.trigger is Trigger.RECEIVE_CALLBACK else row
            for row in zoo.DEPLOYMENT.transitions
        )
        definition = attrs.evolve(zoo.DEPLOYMENT, transitions=table)
        callback = ev.CallbackHeard(sn="REQ7", digest="d", number=1)
        return x.told(GRANTED, Trigger.RECEIVE_CALLBACK, callback, definition=definition)[0]

    told = replaced(with_word)
    assert told.heard is not None
    assert told.data == {"heard": 1}
    with pytest.raises(DefinitionError, match="update of trigger receive_callback sets subject"):
        replaced(elsewhere)


def test_an_update_that_misses_a_fact_is_refused_as_a_guard_is() -> None:
    """It asks for other evidence than the row takes."""
    row = Transition(
        trigger=Verb.PAUSE,
        sources=(Stage.GRANTED,),
        dest=None,
        evidence=ev.Decision,
        update=lambda facts: attrs.evolve(facts.change, data={"size": facts.expect(Deployed).size}),
    )
    with pytest.raises(TransitionRefused, match="it needs Deployed, not Decision"):
        x.told(GRANTED, "pause", ev.Decision(), definition=zoo.deployment(DEPLOY, row))

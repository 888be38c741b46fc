"""A definition that contradicts itself is refused when it is built, and the culprit is named."""

from __future__ import annotations

import enum
import functools
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.change import WITHDRAW
from itsm_workflow.errors import DefinitionError
from itsm_workflow.machine.analysis import wrong_effects
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.machine.definition import Roles, Transition, WorkflowDefinition, always, waits_for_a_person
from itsm_workflow.machine.evidence import ApprovalAttested, Decision, Snapshot, Undelivered
from tests.support.examples import filled

if TYPE_CHECKING:
    from itsm_workflow.machine.definition import Facts


class Step(enum.StrEnum):
    """The states of a small workflow."""

    NEW = "new"
    ASKING = "asking"
    WAITING = "waiting"
    LOST = "lost"
    DONE = "done"
    DENIED = "denied"


class Alien(enum.StrEnum):
    """States of somebody else."""

    MARS = "mars"


class Spaced(enum.StrEnum):
    """States of which one has no name that could be stored."""

    NEW = "new"
    BAD = "Bad State"


class Word(enum.StrEnum):
    """The triggers of a small workflow."""

    ASK = "ask"
    SENT = "sent"
    LOSE = "lose"
    FIND = "find"
    APPROVE = "approve"
    ATTEST = "attest_approval"
    DENY = "deny"
    SHOUT = "SHOUT"


@attrs.frozen
class Narrow(Decision):
    """Evidence that is also evidence of another type."""


class Loose:
    """Evidence that cannot be stored."""


ROLES = Roles(asking=Step.ASKING, waiting=Step.WAITING, undelivered=Step.LOST, granted=Step.DONE, refused=Step.DENIED)


def move(trigger: enum.StrEnum, source: enum.StrEnum, dest: enum.StrEnum | None, **values: object) -> Transition:
    """Return a row of the table."""
    return filled(Transition, values, trigger=trigger, sources=(source,), dest=dest, evidence=Decision)


def holds_sometimes(facts: Facts) -> str | None:
    """Be some guard."""
    return None if facts.actor else "nobody did it"


ROWS = (
    move(Word.ASK, Step.NEW, Step.ASKING),
    move(Word.SENT, Step.ASKING, Step.WAITING),
    move(Word.LOSE, Step.WAITING, Step.LOST),
    move(Word.FIND, Step.LOST, Step.WAITING),
    move(Word.APPROVE, Step.WAITING, Step.DONE, evidence=Snapshot, guard=holds_sometimes),
    move(Word.DENY, Step.WAITING, Step.DENIED),
)
WAITS = dict.fromkeys((Step.NEW, Step.ASKING, Step.WAITING, Step.LOST), waits_for_a_person)


def small(*added: Transition, **values: object) -> WorkflowDefinition:
    """Return a small workflow that works, apart from what the case adds or changes."""
    return filled(
        WorkflowDefinition,
        values,
        name="small",
        version=1,
        states=Step,
        initial=Step.NEW,
        final=frozenset({Step.DONE, Step.DENIED}),
        roles=ROLES,
        transitions=ROWS + added,
        due=WAITS,
    )


def without(trigger: Word) -> tuple[Transition, ...]:
    """Return the rows without those of a trigger."""
    return tuple(row for row in ROWS if row.trigger != trigger)


def holds_never(_facts: Facts) -> str | None:
    """Be another guard."""
    return "never"


def problems(*added: Transition, **values: object) -> tuple[str, ...]:
    """Return what is found wrong."""
    with pytest.raises(DefinitionError) as caught:
        small(*added, **values)
    found: tuple[str, ...] = vars(caught.value)["problems"]
    assert all(problem in str(caught.value) for problem in found)
    assert repr(values.get("name", "small")) in str(caught.value)
    return found


@pytest.mark.parametrize(
    ("row", "culprit"),
    [
        (move(Word.FIND, Step.WAITING, Step.DONE), "find leads there from waiting"),
        (move(Word.ATTEST, Step.WAITING, Step.DONE), "attest_approval leads there from waiting"),
        (move(Word.ATTEST, Step.LOST, Step.DONE, evidence=Snapshot), "attest_approval leads there from lost"),
        (
            move(Word.APPROVE, Step.LOST, Step.DONE, evidence=Snapshot),
            "approve leads there from lost without the guard that the row had",
        ),
        (
            move(Word.APPROVE, Step.LOST, Step.DONE, evidence=(Decision, Snapshot), guard=holds_never),
            "approve leads there from lost",
        ),
        (move(Word.ASK, Step.ASKING, Step.DONE), "ask leads there from asking"),
    ],
)
def test_a_trigger_that_grants_without_the_tickets_approval_is_refused(row: Transition, culprit: str) -> None:
    """Only the library's own triggers, with their own evidence and a guard, lead from a waiting ticket to a grant."""
    (problem,) = problems(row)
    assert problem == (
        f"grants: state done can be reached without an approval, so it cannot grant: {culprit}. Only the rows of "
        "approve and attest_approval that approval_workflow makes, with their guards, lead from a waiting ticket to "
        "done; let other triggers lead to a state that does not grant, or start from the state of an approved ticket"
    )


def of_two_rounds(*added: Transition) -> dict[str, Any]:
    """Return what lets an approved change be declined later, and a declined one be submitted again."""
    rows = (*ROWS, move(Word.LOSE, Step.DONE, Step.DENIED), move(Word.ASK, Step.DENIED, Step.NEW), *added)
    due = {**WAITS, Step.DONE: waits_for_a_person, Step.DENIED: waits_for_a_person}
    return {"transitions": rows, "final": frozenset(), "due": due}


@pytest.mark.parametrize("dest", [Step.ASKING, Step.WAITING, Step.LOST])
@pytest.mark.parametrize("source", [Step.DONE, Step.DENIED])
def test_a_way_from_an_approved_change_back_to_its_ticket_is_refused(source: Step, dest: Step) -> None:
    """The ticket is approved already, so the next look would grant the change again without a new question."""
    (problem,) = problems(**of_two_rounds(move(Word.FIND, source, dest)))
    assert problem == (
        f"trigger find leads from {source.value}, which follows an approval, to {dest.value}, where that approval "
        "would grant the change again; let it lead to new, from which a new ticket is filed"
    )


def test_a_way_from_an_approved_change_to_a_new_ticket_is_accepted() -> None:
    """It is submitted again, so a new ticket asks the approvers."""
    assert small(**of_two_rounds(move(Word.FIND, Step.DONE, Step.NEW))).triggers("done") == ("lose", "find")


def test_an_attested_approval_grants() -> None:
    """The evidence is the operator's, and a guard judges it."""
    definition = small(move(Word.ATTEST, Step.LOST, Step.DONE, evidence=ApprovalAttested, guard=holds_never))
    assert definition.is_granting("done")


def test_a_workflow_that_works_is_accepted() -> None:
    """The cases below differ from one that is right in one thing each."""
    assert small().triggers("new") == ("ask",)


def test_a_state_that_nothing_leads_to_is_named() -> None:
    """A state is reached, or it is a mistake."""
    assert problems(transitions=without(Word.DENY)) == ("state denied is unreachable from new",)


def test_an_internal_row_does_not_reach_a_state() -> None:
    """A row that stays where it is leads nowhere."""
    stays = move(Word.DENY, Step.DENIED, None)

    assert problems(transitions=(*without(Word.DENY), stays)) == ("state denied is unreachable from new",)


def test_a_state_without_a_way_out_is_named() -> None:
    """What is not final must lead on."""
    found = problems(transitions=without(Word.FIND))

    assert found == ("state lost is a dead end: it has no way out and is not final",)


def test_a_loop_is_no_way_out() -> None:
    """A row back to the same state does not lead on."""
    loop = move(Word.FIND, Step.LOST, Step.LOST)
    found = problems(transitions=(*without(Word.FIND), loop))

    assert found == ("state lost is a dead end: it has no way out and is not final",)


def test_a_way_out_of_a_final_state_is_named() -> None:
    """What has ended stays ended."""
    assert problems(move(Word.FIND, Step.DONE, Step.WAITING)) == ("final state done has a way out: find",)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({}, {}, id="neither has a guard"),
        pytest.param({"guard": holds_sometimes}, {}, id="one has no guard"),
        pytest.param({"guard": holds_sometimes}, {"guard": holds_sometimes}, id="the same guard twice"),
        pytest.param({}, {"evidence": (Undelivered, Decision)}, id="types that overlap"),
        pytest.param({}, {"evidence": Narrow}, id="a type that is also of the other type"),
        pytest.param({"evidence": Narrow}, {}, id="the same the other way round"),
        pytest.param({"guard": functools.partial(holds_sometimes)}, {"guard": always}, id="a guard without a name"),
    ],
)
def test_two_rows_that_can_both_hold_are_named(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Which row fires must never depend on their order."""
    rows = (move(Word.SHOUT, Step.LOST, Step.WAITING, **one), move(Word.SHOUT, Step.LOST, None, **other))
    found = problems(*rows)

    assert "trigger SHOUT has two transitions in lost whose guards can both hold" in found


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(
            (
                move(Word.FIND, Step.WAITING, None, guard=holds_sometimes),
                move(Word.FIND, Step.WAITING, None, guard=holds_never),
            ),
            id="guards that differ",
        ),
        pytest.param((move(Word.FIND, Step.WAITING, None),), id="other states"),
        pytest.param((move(Word.LOSE, Step.WAITING, None, evidence=Snapshot),), id="types that differ"),
        pytest.param((move(Word.SENT, Step.WAITING, None),), id="another trigger"),
    ],
)
def test_rows_that_exclude_each_other_are_accepted(rows: tuple[Transition, ...]) -> None:
    """A trigger may have several rows where facts tell them apart."""
    assert len(ROWS) + len(rows) == len(small(*rows).transitions)


def test_a_state_that_waits_without_a_due_rule_is_named() -> None:
    """Nobody would ever look at it."""
    rules = {state: rule for state, rule in WAITS.items() if state is not Step.LOST}

    assert problems(due=rules) == ("state lost is not final and has no due rule, so no worker would ever look at it",)


def test_evidence_that_cannot_be_stored_is_named() -> None:
    """Evidence is an attrs class."""
    found = problems(move(Word.FIND, Step.WAITING, None, evidence=Loose))

    assert found == ("evidence type Loose is not an attrs class, so it cannot be stored",)


def test_two_evidence_types_of_one_name_are_named() -> None:
    """An entry is read back by the name of its evidence."""
    double = attrs.make_class("Decision", [])
    found = problems(move(Word.FIND, Step.WAITING, None, evidence=double))

    assert found == ("two evidence types are named Decision; stored entries could not be distinguished by type",)


@pytest.mark.parametrize(
    ("name", "proposed"),
    [
        ("", ""),
        ("Small", "small"),
        ("small-one", "small_one"),
        ("SmallOne", "small_one"),
        ("1small", ""),
        ("small one", "small_one"),
        ("klein\n", "klein"),
        ("größe", ""),
    ],
)
def test_a_name_that_is_not_lower_snake_is_named(name: str, proposed: str) -> None:
    """Names are stored, put into URLs and drawn in graphs. The name in that form is proposed, if it has one."""
    advice = f", such as {proposed!r}" if proposed else ""
    assert (f"workflow {name!r}: a name must be lower_snake{advice}",) == problems(name=name)


def test_names_of_states_and_triggers_count_as_well() -> None:
    """Each bad name is told once, however often it is used."""
    rows = (
        move(Word.SHOUT, Step.WAITING, None, guard=holds_never),
        move(Word.SHOUT, Step.LOST, None, guard=holds_never),
    )

    assert problems(*rows) == ("trigger 'SHOUT': a name must be lower_snake, such as 'shout'",)
    assert "state 'Bad State': a name must be lower_snake, such as 'bad_state'" in problems(states=Spaced)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"transitions": (*ROWS, move(Word.FIND, Alien.MARS, Step.WAITING))}, id="left by a row"),
        pytest.param({"transitions": (*ROWS, move(Word.FIND, Step.WAITING, Alien.MARS))}, id="led to by a row"),
        pytest.param({"final": frozenset({Step.DONE, Step.DENIED, Alien.MARS})}, id="final"),
        pytest.param({"due": {**WAITS, Alien.MARS: waits_for_a_person}}, id="due"),
        pytest.param({"roles": attrs.evolve(ROLES, undelivered=Alien.MARS)}, id="undelivered"),
        pytest.param({"roles": attrs.evolve(ROLES, asking=Alien.MARS)}, id="asking"),
        pytest.param({"roles": attrs.evolve(ROLES, waiting=Alien.MARS)}, id="waiting"),
        pytest.param({"roles": attrs.evolve(ROLES, granted=Alien.MARS)}, id="granted"),
        pytest.param({"roles": attrs.evolve(ROLES, refused=Alien.MARS)}, id="refused"),
    ],
)
def test_a_foreign_state_is_named(values: dict[str, Any]) -> None:
    """Every state that is used is one of the workflow's own."""
    assert "state mars is used but is not a member of Step" in problems(**values)


def test_a_foreign_initial_state_is_named() -> None:
    """Also where it begins; then nothing is reached."""
    found = problems(initial=Alien.MARS)

    assert "state mars is used but is not a member of Step" in found
    assert "state new is unreachable from mars" in found


@pytest.mark.parametrize("name", ["", "s" * 65, "start\n", "-start", "two words", 5, None, b"start"])
def test_an_invalid_effect_name_is_named(name: object) -> None:
    """The rule, the state and the value are shown."""
    [found] = wrong_effects(COLLECTOR_CHANGE, {"approved": (name,)})

    assert found.startswith("effects of state approved: a name has 1 to 64 letters")
    assert found.endswith(f"not {name!r}")


def test_a_repeated_effect_name_is_named() -> None:
    """In one state, or with both states and another name; the name of the library's own withdrawal is taken."""
    found = wrong_effects(COLLECTOR_CHANGE, {"approved": ("a", "b", "b", "s" * 64), "rejected": ("a", WITHDRAW)})

    assert list(found) == [
        "effect 'b' is named twice in state approved, aliases included: name it once",
        (
            "effect 'a' is named in two states, approved and rejected, but a name belongs to one state: "
            "give it another name in rejected, such as 'a_rejected', and the same function"
        ),
        f"effect {WITHDRAW!r} of state rejected: that is the library's own",
    ]


def test_everything_wrong_is_told_at_once() -> None:
    """Whoever writes a definition mends it in one round."""
    found = problems(name="Bad", transitions=without(Word.DENY), due={})

    assert (
        "workflow 'Bad': a name must be lower_snake, such as 'bad'",
        "state denied is unreachable from new",
        *(f"state {state} is not final and has no due rule, so no worker would ever look at it" for state in WAITS),
    ) == found


class Island(enum.StrEnum):
    """States of which two lead to each other alone."""

    NEW = "new"
    ASKING = "asking"
    WAITING = "waiting"
    LOST = "lost"
    DONE = "done"
    DENIED = "denied"
    HERE = "here"
    THERE = "there"


class Sail(enum.StrEnum):
    """The triggers among them."""

    GO = "go"
    FERRY = "ferry"


def test_states_that_lead_to_each_other_alone_are_unreachable() -> None:
    """That something leads to a state is not enough: a draft must come there."""
    at = Island
    ways = [
        (at.NEW, at.ASKING),
        (at.ASKING, at.WAITING),
        (at.WAITING, at.LOST),
        (at.LOST, at.DONE),
        (at.LOST, at.DENIED),
        (at.HERE, at.THERE),
        (at.THERE, at.HERE),
    ]
    ferries = {at.DENIED: Sail.FERRY}
    rows = [
        Transition(trigger=ferries.get(dest, Sail.GO), sources=(source,), dest=dest, evidence=Decision)
        for source, dest in ways
    ]
    with pytest.raises(DefinitionError) as caught:
        WorkflowDefinition(
            name="island",
            version=1,
            states=Island,
            initial=at.NEW,
            final=frozenset({at.DONE, at.DENIED}),
            roles=Roles(asking=at.ASKING, waiting=at.WAITING, undelivered=at.LOST, granted=at.DONE, refused=at.DENIED),
            transitions=tuple(rows),
            due=dict.fromkeys(set(Island) - {at.DONE, at.DENIED}, waits_for_a_person),
        )
    found = [problem for problem in vars(caught.value)["problems"] if "unreachable" in problem]
    assert found == ["state here is unreachable from new", "state there is unreachable from new"]

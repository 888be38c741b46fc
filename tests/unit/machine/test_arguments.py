"""An argument of another type is refused when a definition is built, by its name: nothing is filed with such a one."""

from __future__ import annotations

import enum
from typing import Any

import attrs
import pytest

from itsm_workflow.errors import DefinitionError
from itsm_workflow.machine.approval import State, approval_table, approval_workflow
from itsm_workflow.machine.definition import Roles, waits_for_a_person
from itsm_workflow.text import kind_of
from tests.support import workflows as zoo
from tests.support.deferred import later, steps
from tests.support.workflows import DEPLOY, DEPLOYMENT, Deployed, Stage

TABLE = zoo.table()


class Number(enum.IntEnum):
    """States that are no texts."""

    ONE = 1


def rows(**values: Any) -> tuple[object, ...]:
    """Return the table with the host's row otherwise in one thing; the row is the last."""
    return (*TABLE, attrs.evolve(DEPLOY, **values))


def parts(**values: Any) -> Roles:
    """Return the parts of the approval, with one otherwise."""
    return attrs.evolve(zoo.roles(), **values)


LAST = rf"transitions\[{len(TABLE)}\], trigger deploy"
WRONG: list[tuple[str, object, str]] = [
    *(
        ("version", one, rf"version: {shown} is not a whole number from 1 to")
        for one, shown in (
            ("1", "'1'"),
            (True, "True"),
            (1.5, "1.5"),
            (None, "None"),
            (0, "0"),
            (-1, "-1"),
            (2**63, "an int"),
            (10**400, "an int"),
        )
    ),
    ("name", None, "name: None is not text"),
    ("states", None, "states: None is not a StrEnum with members"),
    ("states", Number, "states: an EnumType is not a StrEnum with members"),
    ("initial", "zzz", "initial: 'zzz' is not a member of the states"),
    ("initial", None, "initial: None is not a member of the states"),
    ("final", None, "final: None is not a frozenset of states"),
    ("final", [Stage.REFUSED], "final: a list is not a frozenset of states"),
    ("final", frozenset({"live"}), "final: 'live' is not a member of the states"),
    ("roles", None, "roles: None is not Roles"),
    ("roles", parts(asking="filing"), "roles: asking: 'filing' is not a member of the states; write Stage.FILING$"),
    (
        "roles",
        parts(refused="nope"),
        "roles: refused: 'nope' is not a member of the states; Stage has DRAFT, .*",
    ),
    ("transitions", None, "transitions: None is not a tuple of Transition"),
    ("transitions", (*TABLE, 5), rf"transitions\[{len(TABLE)}\]: an int is not a Transition"),
    ("transitions", rows(trigger="deploy"), f"{LAST}: its trigger is a str, not a member of a StrEnum"),
    ("transitions", rows(sources=Stage.GRANTED), f"{LAST}: its sources are a Stage, not a tuple"),
    ("transitions", rows(sources=()), f"{LAST}: its sources are a tuple, not a tuple of one state or more"),
    ("transitions", rows(sources=("granted",)), f"{LAST}: source: 'granted' is not a member"),
    ("transitions", rows(dest="live"), f"{LAST}: dest: 'live' is not a member"),
    ("transitions", rows(evidence="Ev"), f"{LAST}: its evidence is a str, not a class"),
    ("transitions", rows(evidence=None), f"{LAST}: its evidence is None, not a class"),
    ("transitions", rows(evidence=(Deployed, 5)), f"{LAST}: its evidence is an int, not a class"),
    ("transitions", rows(evidence=()), f"{LAST}: its evidence is no class, not a class"),
    ("transitions", rows(guard=None), "trigger deploy: its guard is None, not a function of Facts"),
    ("transitions", rows(update=None), "trigger deploy: its update is None, not a function of Facts"),
    ("transitions", rows(guard=later), "trigger deploy: its guard is an async function, whose call runs nothing: run"),
    ("transitions", rows(update=steps), "trigger deploy: its update is a generator function, whose call runs nothing"),
    (
        "transitions",
        rows(guard=lambda: None),
        r"trigger deploy: its guard is called with \(facts\), which it does not take: .*; write it as guard\(facts\)",
    ),
    (
        "transitions",
        rows(update=lambda change, _evidence: change),
        r"trigger deploy: its update is called with \(facts\), which it does not take: .*; write it as update\(facts\)",
    ),
    ("transitions", rows(note=None), f"{LAST}: its note is None, not text"),
    ("due", None, "due: None is not a mapping from states to due rules"),
    ("due", {**zoo.DUE, Stage.GRANTED: 5}, "due: the rule of state granted is an int, not a function"),
    (
        "due",
        dict.fromkeys(zoo.DUE, lambda _change: None),
        r"due: the rule of state draft is called with \(change, now, policy, looked=True\), .*; write it as rule\(",
    ),
    ("due", dict.fromkeys(zoo.DUE, later), "due: the rule of state draft is an async function, whose call"),
    ("due", dict.fromkeys((*zoo.DUE, "granted "), waits_for_a_person), "due: 'granted ' is not a member"),
    ("labels", None, "labels: None is not a mapping from states to names"),
    ("labels", {Stage.LIVE: "Live"}, "labels: of state live: a str is not a mapping from languages to names"),
    ("labels", {"lvie": {"en": "Live"}}, "labels: lvie is not a member of Stage, which has DRAFT, .*REFUSED$"),
    ("labels", {Stage.LIVE: {"en": 5}}, "labels: of state live: a dict is not a mapping from languages to names"),
]


@pytest.mark.parametrize(("argument", "value", "told"), WRONG)
def test_an_argument_of_another_type_is_named(argument: str, value: object, told: str) -> None:
    """As one error, whatever would have failed on it first."""
    with pytest.raises(DefinitionError, match=f"workflow .* is invalid: {told}"):
        attrs.evolve(DEPLOYMENT, **{argument: value})  # type: ignore[arg-type]  # the case


def test_the_highest_version_is_what_a_store_can_hold() -> None:
    """Nothing below it is refused."""
    assert attrs.evolve(DEPLOYMENT, version=2**63 - 1).version == 2**63 - 1


def test_all_of_them_are_told_at_once() -> None:
    """One correction for each, not one attempt; in the order of the arguments."""
    wrong: dict[str, Any] = dict.fromkeys(("labels", "due", "transitions", "roles", "final", "initial", "version"))
    with pytest.raises(DefinitionError) as refused:
        attrs.evolve(DEPLOYMENT, **wrong)
    named = [one.partition(":")[0] for one in refused.value.problems]
    assert named == list(reversed(wrong))


@pytest.mark.parametrize("states", [None, str, State.DRAFT, enum.StrEnum, enum.StrEnum("Nothing", {})])
def test_the_table_of_an_approval_needs_states(states: Any) -> None:  # noqa: ANN401 - of any type
    """It is called before there is a definition that could say so."""
    with pytest.raises(TypeError, match=r"^approval_table\(states=\.\.\.\) takes a StrEnum with members, the class"):
        approval_table(states, Stage.DRAFT, zoo.roles())
    with pytest.raises(TypeError, match=r"^approval_workflow\(states=\.\.\.\) takes a StrEnum with members, the class"):
        approval_workflow("deployment", states=states, roles=zoo.roles())


@pytest.mark.parametrize(
    ("argument", "value", "told"),
    [
        ("initial", "draft", "a state, a member of that StrEnum"),
        ("roles", None, "Roles"),
        ("roles", Roles, "Roles"),
        ("transitions", None, "a list of Transition"),
        ("transitions", DEPLOY, "a list of Transition"),
        ("due_rules", 5, "due rules by state, as a dictionary"),
    ],
)
def test_a_workflow_of_an_approval_names_an_argument_of_another_type(argument: str, value: object, told: str) -> None:
    """By the name of the function that was called."""
    given: dict[str, Any] = {"states": Stage, "roles": zoo.roles(), argument: value}
    with pytest.raises(
        TypeError, match=rf"^approval_workflow\({argument}=\.{{3}}\) takes {told}, not {kind_of(value)}$"
    ):
        approval_workflow("deployment", **given)


def test_a_row_of_another_type_is_named_by_its_place() -> None:
    """Among the rows that the host wrote: those of the approval are not in its code."""
    message = r"^approval_workflow\(transitions=\.\.\.\): item 1 is a str, not a Transition$"
    with pytest.raises(TypeError, match=message):
        approval_workflow("deployment", states=Stage, roles=zoo.roles(), transitions=[DEPLOY, "deploy"])  # type: ignore[list-item] # the mistake


def test_a_wrong_role_is_reported_once() -> None:
    """Most of the library's own transitions contain it, and the host wrote none of them."""
    roles = attrs.evolve(zoo.roles(), asking="filing", refused="nope")  # type: ignore[arg-type]  # the case
    with pytest.raises(DefinitionError) as refused:
        approval_workflow("deployment", states=Stage, roles=roles)
    assert [one.partition(" is")[0] for one in refused.value.problems] == [
        "roles: asking: 'filing'",
        "roles: refused: 'nope'",
    ]

"""Evidence is what its class declares, or it is refused before anything is stored."""

from __future__ import annotations

import datetime as dt
import json
from collections import UserDict
from collections.abc import Callable, Mapping  # noqa: TC003 - the annotations of Proof are resolved
from decimal import Decimal  # noqa: TC003 - read at run time
from typing import Any, Literal

import attrs
import pytest
from hypothesis import given

from itsm_workflow.change import AttentionReason, ChangeRequest, Decider
from itsm_workflow.errors import DefinitionError, TransitionRefused
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, State, Trigger
from itsm_workflow.machine.declared_types import plain_texts, wrong_declarations, wrong_json, wrong_values
from itsm_workflow.machine.definition import Transition
from itsm_workflow.readonly import NOTHING
from itsm_workflow.strict import canonical, json_value, strict_converter
from itsm_workflow.testing import strategies as s
from tests.support import examples as x


@attrs.frozen(kw_only=True)
class Part:
    """A part of a proof."""

    number: int


@attrs.frozen(kw_only=True)
class Proof:
    """One field of every kind that can be declared."""

    text: str = "a"
    number: int = 1
    share: float = 0.5
    flag: bool = True
    at: dt.datetime = x.NOW
    reason: AttentionReason = AttentionReason.OVERDUE
    part: Part | None = None
    parts: tuple[Part, ...] = ()
    words: Mapping[str, str] = NOTHING
    anything: object = None
    steps: list[int] = attrs.field(factory=list)
    colour: Literal["red", "blue"] = "red"


class Masked(str):
    """A text that shows itself as another one, and compares as none."""

    __slots__ = ()

    def __str__(self) -> str:
        return "another text"

    def __hash__(self) -> int:
        return 7

    def __eq__(self, other: object) -> bool:
        return self is other


WRONG: dict[str, tuple[str, object, str]] = {
    "a number for a text": ("text", 12, "text must be text, not int"),
    "nothing for a text": ("text", None, "text must be text, not NoneType"),
    "half a character": (
        "text",
        "a\ud800",
        "text must not contain NUL characters or lone surrogates, which cannot be stored: remove U+D800",
    ),
    "a character that databases cut a text at": (
        "text",
        "a\0",
        "text must not contain NUL characters or lone surrogates, which cannot be stored: remove U+0000",
    ),
    "a text for a number": ("number", "1", "number must be a whole number, not str"),
    "truth for a number": ("number", True, "number must be a whole number, not bool"),
    "a fraction for a number": ("number", 1.0, "number must be a whole number, not float"),
    "a number without end": ("number", 2**1025, "number must be a whole number of at most 1024 bits"),
    "a whole number for a fraction": ("share", 1, "share must be a float, not int"),
    "no number": ("share", float("nan"), "share must be a finite number, not nan"),
    "a text for truth": ("flag", "false", "flag must be True or False, not str"),
    "a number for truth": ("flag", 0, "flag must be True or False, not int"),
    "a date for a time": ("at", dt.date(2026, 3, 2), "at must be a datetime, not date"),
    "a time without a zone": ("at", dt.datetime(2026, 3, 2), "at must have a time zone"),  # noqa: DTZ001 - that is the case
    "a text for a time": ("at", "2026-03-02T08:00:00Z", "at must be a datetime, not str"),
    "a text for a member": ("reason", "overdue", "as AttentionReason, not str"),
    "another part": ("part", {"number": 1}, "part must be a Part, not dict"),
    "a wrong part": ("part", Part(number="1"), "part.number must be a whole number, not str"),  # type: ignore[arg-type] # the case
    "a list for a tuple": ("parts", [], "parts must be a tuple, not list"),
    "a wrong item": ("parts", (Part(number=1), None), "parts[1] must be a Part, not NoneType"),
    "a tuple for a list": ("steps", (), "steps must be a list, not tuple"),
    "another word": ("colour", "green", "colour must be one of 'red', 'blue', not str"),
    "a list for a mapping": ("words", [], "words must be a dict, not list"),
    "a wrong key": ("words", {1: "a"}, "words has a key that must be text, not int"),
    "a wrong value": ("words", {"a": 1}, "words.a must be text, not int"),
    "a set": ("anything", {1}, "anything must be a JSON value, not set"),
    "a date inside": ("anything", {"when": [dt.date(2026, 3, 2)]}, "anything.when[0] must be a JSON value, not date"),
    "no number inside": ("anything", [float("inf")], "anything[0] must be a finite number, not inf"),
    "bytes inside": ("anything", {"a": b""}, "anything.a must be a JSON value, not bytes"),
}


@pytest.mark.parametrize(("field", "value", "said"), WRONG.values(), ids=WRONG)
def test_what_a_field_does_not_declare_is_named(field: str, value: object, said: str) -> None:
    """By its path, with the rule and the type that was given."""
    given: dict[str, Any] = {field: value}

    [problem] = wrong_values(Proof(**given))

    assert problem.endswith(said)
    assert problem.startswith(field)


def test_what_is_declared_is_right() -> None:
    """Each kind once, with something in it."""
    whole = Proof(
        part=Part(number=1 - 2**1024),
        parts=(Part(number=2**1024 - 1),),
        words={"a": "b"},
        anything={"n": [1, 2.5, None, True, ("t",)]},
    )

    converter = strict_converter()

    assert [] == wrong_values(whole) == wrong_values(Proof()) == wrong_declarations(Proof)
    assert converter.structure(json.loads(canonical(converter.unstructure(whole))), Proof) == attrs.evolve(
        whole, anything={"n": [1, 2.5, None, True, ["t"]]}
    )


@given(entry=s.entries)
def test_what_the_strategies_draw_is_right(entry: Any) -> None:  # noqa: ANN401 - drawn
    """Every type of the collector's evidence."""
    assert wrong_values(entry.evidence) == []


def test_a_deep_value_is_refused_without_an_end_of_the_stack() -> None:
    """The bound is that of stored values."""
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]

    [problem] = wrong_json(deep)

    assert problem.endswith("must not be nested deeper than 64 levels")


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"k": value}], ids=["lists", "objects"])
def test_a_value_may_be_as_deep_as_one_that_is_stored(wrap: Callable[[object], object]) -> None:
    """To the level: otherwise a step is refused that can be stored, or fails when it is."""
    deep: object = "text"
    for _ in range(63):
        deep = wrap(deep)
    assert wrong_json(deep) == []
    assert json_value(deep) == deep

    [problem] = wrong_json(wrap(deep))
    assert problem.endswith("must not be nested deeper than 64 levels")
    with pytest.raises(ValueError, match="is nested deeper than 64 levels"):
        json_value(wrap(deep))


def test_problems_without_end_are_not_listed_without_end() -> None:
    """A message holds the first of them, each cut."""
    facts: dict[str, Any] = {f"k{number}": number for number in range(500)}
    found = wrong_values(ev.Concern(reason=AttentionReason.OVERDUE, facts=facts))
    assert (len(found), found[0], found[-1]) == (9, "facts.k0 must be text, not int", "and more")
    long: dict[str, Any] = {"k" * 100_000: 1}
    [problem] = wrong_values(ev.Concern(reason=AttentionReason.OVERDUE, facts=long))
    assert len(problem) < 1000


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({f"k{number}": "v" for number in range(501)}, "facts must have at most 500 keys, and has 501"),
        ({"a": "x" * (1024 * 1024)}, "facts must have at most 1048576 characters"),
        ({"a": "1", Masked("a"): "2"}, "facts must have each key once"),
    ],
)
def test_a_mapping_has_the_bounds_of_a_form(facts: dict[str, str], said: str) -> None:
    """As many keys, as large, and each key once."""
    assert wrong_values(ev.Concern(reason=AttentionReason.OVERDUE, facts=facts)) == [said]


def test_a_value_that_stands_in_many_places_is_not_walked_without_bounds() -> None:
    """2 to the 60th values would never end."""
    value: list[Any] = ["x"]
    for _ in range(60):
        value = [value, value]
    assert wrong_json(value) == ["it must have at most 1048576 values and characters"]
    assert wrong_json({"a": 1, Masked("a"): 2}) == ["it must have each key once"]


def test_the_keys_of_a_json_object_are_texts_and_count() -> None:
    """As its values do."""
    assert wrong_json({"a": {1: 2}}) == ["a has a key that must be text, not int"]
    assert wrong_json([{"x" * (1024 * 1024): 1}]) == ["it must have at most 1048576 values and characters"]


def test_evidence_has_the_own_value_of_each_text() -> None:
    """Deeply, where a text is declared; what is of another type is left for the check."""
    given = ev.Snapshot(
        ticket_id=Masked("1"),
        sn="REQ1",
        status=ev.TicketStatus.RUNNING,
        word="w",
        seen_at=x.NOW,
        decision=Masked("true"),
        deciders=(Decider(user=Masked("bob"), approved=True),),
    )
    plain = plain_texts(given)
    assert isinstance(plain, ev.Snapshot)
    texts = [plain.ticket_id, plain.sn, plain.decision, plain.deciders[0].user]
    assert ([type(text) for text in texts], texts) == ([str] * 4, ["1", "REQ1", "true", "bob"])
    assert plain.status is ev.TicketStatus.RUNNING
    facts = {Masked("a"): Masked("b"), "c": 7}
    concern = plain_texts(ev.Concern(reason=AttentionReason.OVERDUE, facts=facts))  # type: ignore[arg-type] # the case
    assert concern == ev.Concern(reason=AttentionReason.OVERDUE, facts={"a": "b", "c": 7})  # type: ignore[dict-item] # the case
    for other in (None, "text", 7, ev.Decision(reason=7)):  # type: ignore[arg-type] # the case
        assert plain_texts(other) is other
    for strange in (UserDict({"a": "b"}), {Masked("a"): "b", "a": "c"}):
        concern = plain_texts(ev.Concern(reason=AttentionReason.OVERDUE, facts=strange))
        assert isinstance(concern, ev.Concern)
        assert concern.facts is strange


# ---------------------------------------------------------------- fired


@pytest.mark.parametrize(
    ("change", "trigger", "evidence", "said"),
    [
        (x.SENDING, Trigger.MARK_UNKNOWN, x.mark(problem=12), "problem must be text, not int"),
        (x.PENDING, Trigger.APPROVE, x.finished(approved=True, seen_at=dt.date(2026, 3, 2)), "seen_at must be a"),
        (x.PENDING, Trigger.RAISE_ATTENTION, ev.Concern(reason="overdue"), "reason must be one of"),  # type: ignore[arg-type] # the case
        (x.PENDING, Trigger.REQUEST_WITHDRAWAL, ev.Decision(reason=None), "reason must be text, not NoneType"),  # type: ignore[arg-type] # the case
    ],
)
def test_evidence_of_wrong_types_is_refused_when_it_is_fired(
    change: ChangeRequest, trigger: Trigger, evidence: object, said: str
) -> None:
    """Not when the history is read again."""
    with pytest.raises(TransitionRefused, match=said):
        x.told(change, trigger, evidence)


def with_row(evidence: type, **values: Any) -> Any:  # noqa: ANN401 - attrs.evolve
    """Return the collector's workflow with one more row."""
    row = Transition(trigger=Trigger.REVISE, sources=(State.PENDING,), dest=None, evidence=evidence, **values)
    return attrs.evolve(COLLECTOR_CHANGE, transitions=(*COLLECTOR_CHANGE.transitions, row))


@attrs.frozen(kw_only=True)
class Dated:
    """Declares what has no stored form."""

    day: dt.date
    names: tuple[str, ...] | list[str] = ()


@attrs.frozen(kw_only=True)
class Priced:
    """Declares a number that JSON does not keep."""

    price: Decimal | None = None


@attrs.frozen(kw_only=True)
class Timed:
    """Declares a length of time."""

    pause: dt.timedelta | None = None


@attrs.frozen(kw_only=True)
class Unresolved:
    """Declares what does not exist when the program runs."""

    what: Missing  # type: ignore[name-defined]  # noqa: F821 - the case


@attrs.frozen(kw_only=True)
class Nesting:
    """Has a part that declares what has no stored form."""

    inner: Dated | None = None


def test_evidence_that_cannot_be_stored_is_refused_when_the_definition_is_built() -> None:
    """Each field by name, those of parts as well."""
    with pytest.raises(DefinitionError, match=r"Dated: Dated\.day is declared as date, .* form; declare it as str, "):
        with_row(Dated)
    with pytest.raises(DefinitionError, match=r"Dated\.names is declared as .*; declare it as str, int, float, bool, "):
        with_row(Dated)
    with pytest.raises(DefinitionError, match=r"evidence type Nesting: Dated\.day is declared as date"):
        with_row(Nesting)
    with pytest.raises(DefinitionError, match=r"Priced\.price is declared as Decimal, .*; declare it as str, or "):
        with_row(Priced)
    with pytest.raises(DefinitionError, match=r"Timed\.pause .* timedelta, .*; declare it as a number of seconds"):
        with_row(Timed)
    with pytest.raises(DefinitionError, match="annotations of Unresolved cannot be resolved at run time"):
        with_row(Unresolved)


def test_an_update_that_leaves_what_cannot_be_stored_is_refused() -> None:
    """By the trigger and the place in the data."""
    broken = with_row(
        Proof, update=lambda facts: attrs.evolve(facts.change, data={"when": {"day": dt.date(2026, 3, 2)}})
    )
    with pytest.raises(DefinitionError, match=r"trigger revise sets data .*when\.day must be a JSON value"):
        x.told(x.PENDING, Trigger.REVISE, Proof(), definition=broken)

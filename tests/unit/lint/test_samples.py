"""Evidence is made up for any attrs class, in the same way each time, and first of all aimed at the change."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - the annotations below are read when evidence is made up
import enum
from collections.abc import Mapping  # noqa: TC003 - the same
from typing import Any, Literal

import attrs
import pytest

from itsm_workflow.lint.domains import CannotSampleError
from itsm_workflow.lint.samples import constants_of, samples
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.definition import Facts  # noqa: TC001 - the same
from tests.support.examples import NOW, PENDING
from tests.support.meanings import Job, Stage, Verb, order, row


class Colour(enum.StrEnum):
    """Two colours."""

    RED = "red"
    BLUE = "blue"


@attrs.frozen(kw_only=True)
class Part:
    """A value in another."""

    name: str


@attrs.frozen(kw_only=True)
class Everything:
    """One field of each kind that a store can keep."""

    flag: bool
    number: int
    share: float
    text: str
    colour: Colour
    word: Literal["yes", "no"]
    at: dt.datetime
    took: dt.timedelta
    perhaps: int | None
    parts: tuple[Part, ...]
    names: Mapping[str, str]
    anything: object
    sn: str
    _hidden: int = 3


@attrs.frozen(kw_only=True)
class Positive:
    """A class with a rule of its own."""

    number: int = attrs.field(validator=attrs.validators.gt(1))


@attrs.frozen(kw_only=True)
class Impossible:
    """A class that refuses everything."""

    number: int = attrs.field(validator=attrs.validators.gt(1000))


class Plain:
    """No attrs class."""


def made(kind: type, **more: Any) -> list[Any]:
    """Return samples for a change with ticket 7, REQ7."""
    return samples(kind, PENDING, NOW, **more)


def test_every_value_of_every_domain_is_met() -> None:
    """However many combinations there are, each field takes all its values."""
    found = made(Everything)
    assert {True, False} == {one.flag for one in found}
    assert set(Colour) == {one.colour for one in found}
    assert {"yes", "no"} == {one.word for one in found}
    assert {None, 0, 1, 2} == {one.perhaps for one in found}
    assert {(), (Part(name="a text"),), (Part(name="a text"), Part(name=""))} <= {one.parts for one in found}
    assert {NOW} == {one.at for one in found}
    assert len(found) < 500


def test_the_first_sample_is_aimed_at_the_change() -> None:
    """It carries the change's own ticket and key, so that a walk gets on."""
    first = made(ev.TicketConfirmed)[0]
    assert (first.id, first.sn, first.key, first.creator) == ("7", "REQ7", "K1", "alice")
    assert made(Everything)[0].sn == "REQ7"


def test_others_are_aimed_elsewhere() -> None:
    """A guard that does not look at the ticket would pass these as well."""
    assert {"7", "a text", ""} == {one.ticket_id for one in made(ev.Snapshot)}


def test_what_guards_compare_with_is_tried_with_its_neighbours() -> None:
    """Limits are where guards overlap."""
    assert {29, 30, 31} <= {one.number for one in made(Everything, constants=(30, "late", True))}
    assert "late" in {one.text for one in made(Everything, constants=(30, "late", True))}


def test_values_that_a_class_refuses_are_left_out() -> None:
    """What its validators let through is enough."""
    assert {2} == {one.number for one in made(Positive)}


@pytest.mark.parametrize(
    ("kind", "told"), [(Impossible, "its validators refuse every combination"), (Plain, "it is not an attrs class")]
)
def test_what_cannot_be_made_up_is_told(kind: type, told: str) -> None:
    """The reason is for people."""
    with pytest.raises(CannotSampleError, match=told):
        made(kind)


def test_the_same_is_made_up_each_time() -> None:
    """A finding can be repeated."""
    assert made(Everything) == made(Everything)


def begins_with(word: str, text: str) -> bool:
    """Return whether a text is of the kind that a guard asks for."""
    return text.startswith((word, "prod"))


def is_of_production(facts: Facts) -> str | None:
    """Accept a host of one kind; the constant is in the function that it calls."""
    return None if begins_with("live", facts.expect(Job).host) else "it is another host"


def is_a_long_database(facts: Facts) -> str | None:
    """Accept a host of another kind; both kinds have members in common."""
    host = facts.expect(Job).host
    return None if host.endswith("db") and len(host) > 4 else "it is another host"


def test_the_constants_of_two_guards_are_joined() -> None:
    """A text that begins with the one and ends with the other passes both, as does a text of the length compared."""
    definition = order(
        row(Verb.RETRY, Stage.FAILED, Stage.LIVE, guard=is_of_production),
        row(Verb.RETRY, Stage.FAILED, Stage.DRAFT, guard=is_a_long_database),
    )
    constants = constants_of(definition, "retry")
    texts = {one.host for one in samples(Job, PENDING, NOW, constants=constants)}
    assert {"proddb", "livedb", "prod", "db", "dbxxx", "xxxxx"} <= texts

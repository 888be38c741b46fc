"""The first page: what needs a person, how many changes are open and how old they are, and whether looks are made."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import attrs
from flask import g, url_for

from itsm_workflow.change import AttentionReason
from itsm_workflow.web.listing import COUNTED, PARKED
from itsm_workflow.web.presenting import Badge, badge, state_badge, without_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from werkzeug.wrappers import Response

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.runtime.counting import Count
    from itsm_workflow.runtime.records import Records
    from itsm_workflow.web.pages import Site
    from itsm_workflow.web.presenting import Reader

OLDEST = 3
"""The number of changes that are shown of each reason for attention."""

_LATE = dt.timedelta(minutes=15)
"""A look that is due for longer is late: `reconcile` should run every few minutes."""


@attrs.frozen(kw_only=True)
class Number:
    """A number that leads to its list.

    Attributes:
        text: The number in words.
        address: The list.
        is_zero: Whether there is nothing in the list.
    """

    text: str
    address: str
    is_zero: bool


@attrs.frozen(kw_only=True)
class _Need:
    label: str
    number: Number
    oldest: Sequence[tuple[ChangeRequest, Badge, str]]
    unreadable: Sequence[tuple[str, str]]


@attrs.frozen(kw_only=True)
class _Open:
    badge: Badge
    numbers: Sequence[Number]


def overview_page(site: Site) -> Response:
    """Return the first page."""
    records, reader = site.records(), g.reader
    definition, counts = records.definition, records.counts(limit=COUNTED)
    g.workflow = definition.name
    return site.page(
        "overview",
        reader.words("overview"),
        needs=[_need(records, AttentionReason(reason), count, reader) for reason, count in counts.attention.items()],
        open=[
            _Open(badge=state_badge(definition, state, reader), numbers=list(_of_state(state, count)))
            for state, count in counts.states.items()
        ],
        is_bounded=any(count.is_more for count in (*counts.states.values(), *counts.attention.values())),
        ended=[
            (state_badge(definition, state.value, reader), url_for("changes", state=state.value))
            for state in definition.states
            if state in definition.final
        ],
        due=due_text(counts.earliest_due, reader),
        is_late=is_late(counts.earliest_due, reader),
        parked=Number(
            text=f"{len(counts.parked):,}", address=url_for("changes", effect=PARKED), is_zero=not counts.parked
        ),
    )


def _need(records: Records, reason: AttentionReason, count: Count, reader: Reader) -> _Need:
    definition = records.definition
    page = records.find_page(attention=[reason], limit=OLDEST)
    oldest = page.changes
    sentences = [records.why(change.id, language=reader.language) for change in oldest]
    return _Need(
        label=reader.reason(reason),
        number=_number(count, attention=reason.value),
        oldest=[
            (change, badge(definition, change, reader), without_name(sentence, change, reader))
            for change, sentence in zip(oldest, sentences, strict=True)
        ],
        unreadable=[(one, reader.words("unreadable", error=error)) for one, error in page.unreadable.items()],
    )


def _of_state(state: str, count: Count) -> Iterator[Number]:
    yield _number(count, state=state)
    for number, age in ((count.hour_old, "1h"), (count.day_old, "1d")):
        yield _number(attrs.evolve(count, number=number, is_more=count.is_more and number > 0), state=state, age=age)


def _number(count: Count, **filters: Any) -> Number:
    return Number(text=number_text(count), address=url_for("changes", **filters), is_zero=not count.number)


def number_text(count: Count) -> str:
    """Return a number in words; a + shows that there are more."""
    return f"{count.number:,}{'+' if count.is_more else ''}"


def is_late(earliest: dt.datetime | None, reader: Reader) -> bool:
    """Return whether a look is due for so long that no process seems to make looks."""
    return earliest is not None and reader.now - earliest > _LATE


def due_text(earliest: dt.datetime | None, reader: Reader) -> str:
    """Return when the first look is due, in words."""
    if earliest is None:
        return reader.words("no_due")
    passed = reader.now - earliest
    code = "due_later" if passed < dt.timedelta(0) else "due_late" if passed > _LATE else "due_soon"
    return reader.words(code, age=reader.since(earliest))

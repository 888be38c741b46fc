"""The parts of a BK-ITSM ticket that people may see: its status in words, its pages, its form, its log.

All of it is text from outside. An address is returned only if a browser may be sent there. The form's fields stay in a
separate list, so that a field cannot be mistaken for a fact of the library.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.bkapi.envelope import clean
from itsm_workflow.gateway.bk_itsm.wire import TicketRow
from itsm_workflow.gateway.checked import page_url
from itsm_workflow.readonly import ReadOnlyDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itsm_workflow.gateway.bk_itsm.wire import LogLine, TicketPage, TicketStatusPage
    from itsm_workflow.gateway.checked import PageRule
    from itsm_workflow.machine.evidence import TicketStatus

LABELS: Mapping[str, Mapping[str, str]] = ReadOnlyDict(
    {
        word: ReadOnlyDict({"zh": chinese, "en": english})
        for word, chinese, english in (
            ("NEW", "新", "New"),
            ("RUNNING", "处理中", "In progress"),
            ("SUSPENDED", "挂起", "Suspended"),
            ("RESOLVED", "已解决", "Resolved"),
            ("CONFIRMED", "待确认", "To be confirmed"),
            ("FINISHED", "已完成", "Finished"),
            ("TERMINATED", "已终止", "Terminated"),
            ("REVOKED", "已撤销", "Withdrawn"),
        )
    }
)
"""BK-ITSM's status words for people. Finished does not mean approved or rejected."""

SERVER_ZONE = dt.timezone(dt.timedelta(hours=8))
"""BK-ITSM writes local times without a zone; China has had no daylight saving since 1991."""


@attrs.frozen(kw_only=True)
class ShownField:
    """A field of the form, as it was filed.

    Attributes:
        key: The field's key at the server; several fields may have the same key.
        name: The name for people.
        kind: The server's word for the type, e.g. ``STRING``.
        value: The value, a plain JSON value.
        text: The value as text for people.
    """

    key: str
    name: str
    kind: str
    value: object
    text: str


@attrs.frozen(kw_only=True)
class _Shown:
    """The part of a ticket that is shown whether it was read by its id or by its number."""

    sn: str
    status: TicketStatus
    word: str
    labels: Mapping[str, str]
    ticket_url: str
    iframe_ticket_url: str


@attrs.frozen(kw_only=True)
class ShownTicket(_Shown):
    """A ticket, as a page shows it.

    Attributes:
        status: The ticket's status.
        word: The server's status word.
        labels: The status word for people, by language (``zh``, ``en``); an unknown word is shown unchanged.
        ticket_url: The address of the page; empty if the server returns none to which a browser may be sent.
        iframe_ticket_url: The address of the page for embedding; empty in the same case.
        fields: The form as it was filed, in its order; empty if the ticket is ambiguous.
        steps: The names of the current steps.
        ambiguous: Whether several tickets carry the number, so that form and steps are not known.
    """

    id: str
    title: str
    creator: str
    fields: tuple[ShownField, ...] = ()
    steps: tuple[str, ...] = ()
    ambiguous: bool = False


@attrs.frozen(kw_only=True)
class ShownStep:
    """A current step of a ticket.

    Attributes:
        name: The name for people.
        word: The server's word for the step's status.
        people: The users whom the step asks, if the server names each of them.
    """

    name: str
    word: str
    people: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class ShownStatus(_Shown):
    """The status of the ticket with a number; ``status`` to ``iframe_ticket_url`` as in `ShownTicket`.

    Attributes:
        operations: The operations that the gateway's user may call: ``WITHDRAW``, ``SUSPEND``, ``UNSUSPEND``,
            ``TERMINATE``.
        steps: The current steps.
    """

    operations: tuple[str, ...] = ()
    steps: tuple[ShownStep, ...] = ()


@attrs.frozen(kw_only=True)
class LogEntry:
    """One line of a ticket's log.

    Attributes:
        at: The time in UTC; None if the server did not write a time.
        operator: The user; empty for the system.
        message: The event, in the server's words.
        source: The origin of the event, e.g. ``WEB``, ``API`` or ``SYS``.
        step: The server's word for the kind of step, e.g. ``APPROVAL``; empty if the line does not belong to a step.
        fields: The fields that were filled in.
    """

    at: dt.datetime | None
    operator: str
    message: str
    source: str
    step: str
    fields: tuple[ShownField, ...] = ()


def labels_of(word: str) -> Mapping[str, str]:
    """Return the labels of a status word for people, by language."""
    return LABELS.get(word) or ReadOnlyDict(dict.fromkeys(("zh", "en"), clean(word, limit=64)))


def show_ticket(page: TicketPage | TicketRow, status: TicketStatus, shows: PageRule) -> ShownTicket:
    """Return the parts of a ticket that may be shown."""
    full = None if isinstance(page, TicketRow) else page
    return ShownTicket(
        id=str(page.id),
        title=clean(page.title),
        creator=clean(page.creator, limit=64),
        sn=page.sn,
        status=status,
        word=clean(page.current_status, limit=64),
        labels=labels_of(page.current_status),
        ticket_url=page_url(page.ticket_url, shows),
        iframe_ticket_url=page_url(page.iframe_ticket_url, shows),
        fields=() if full is None else tuple(_shown(attrs.asdict(field)) for field in full.fields),
        steps=() if full is None else tuple(clean(step.name, limit=64) for step in full.current_steps),
        ambiguous=full is None,
    )


def show_status(sn: str, page: TicketStatusPage, status: TicketStatus, shows: PageRule) -> ShownStatus:
    """Return the parts of a ticket's status that may be shown."""
    return ShownStatus(
        sn=sn,
        status=status,
        word=clean(page.current_status, limit=64),
        labels=labels_of(page.current_status),
        ticket_url=page_url(page.ticket_url, shows),
        iframe_ticket_url=page_url(page.iframe_ticket_url, shows),
        operations=tuple(clean(one.key, limit=32) for one in page.operations if one.can_operate),
        steps=tuple(
            ShownStep(
                name=clean(step.name, limit=64),
                word=clean(step.status, limit=64),
                people=_people(step.processors) if step.processors_type == "PERSON" else (),
            )
            for step in page.current_steps
        ),
    )


def _people(names: object) -> tuple[str, ...]:
    listed = names.split(",") if isinstance(names, str) else ()
    return tuple(clean(name, limit=64) for name in listed if name)


def show_log(lines: Sequence[LogLine]) -> Sequence[LogEntry]:
    """Return the parts of a ticket's log that may be shown."""
    return [
        LogEntry(
            at=server_moment(line.operate_at),
            operator=clean(line.operator, limit=64),
            message=clean(line.message),
            source=clean(line.source, limit=32),
            step=clean(line.from_state_type, limit=32),
            fields=tuple(map(_shown, filter(_is_object, line.form_data))) if isinstance(line.form_data, list) else (),
        )
        for line in lines
    ]


def _shown(field: Mapping[str, object]) -> ShownField:
    def word(name: str) -> str:
        value = field.get(name)
        return clean(value, limit=128) if isinstance(value, str) else ""

    text = field.get("display_value")
    return ShownField(
        key=word("key"),
        name=word("name"),
        kind=word("type"),
        value=field.get("value"),
        text=text if isinstance(text, str) else "",
    )


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def server_moment(text: str) -> dt.datetime | None:
    """Return a time that the server wrote, in UTC; None if the text is not a time."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=SERVER_ZONE)
    try:
        return moment.astimezone(dt.UTC)
    except OverflowError:  # the first or the last day of the calendar
        return None

"""What people may be shown of a BK-ITSM ticket: its status in words, its pages, its form, its log.

All of it is foreign text. An address is handed on only if a browser may be sent there; the form's fields stay a list of
their own, so that none of them can pass for one of our facts.
"""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.bkapi.envelope import clean
from itsm_workflow.gateway.bk_itsm.wire import TicketRow
from itsm_workflow.gateway.checked import page_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itsm_workflow.gateway.bk_itsm.wire import LogLine, TicketPage, TicketStatusPage
    from itsm_workflow.gateway.checked import PageRule
    from itsm_workflow.machine.evidence import TicketStatus

LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        word: MappingProxyType({"zh": chinese, "en": english})
        for word, chinese, english in (
            ("NEW", "新", "New"),
            ("RUNNING", "处理中", "In progress"),
            ("SUSPENDED", "挂起", "Suspended"),
            ("RESOLVED", "已解决", "Resolved"),
            ("CONFIRMED", "待确认", "Confirmed"),
            ("FINISHED", "已完成", "Finished"),
            ("TERMINATED", "已终止", "Terminated"),
            ("REVOKED", "已撤销", "Withdrawn"),
        )
    }
)
"""BK-ITSM's status words for people. Finished says nothing of approved or rejected."""

SERVER_ZONE = dt.timezone(dt.timedelta(hours=8))
"""BK-ITSM writes local times without a zone; China has had no daylight saving since 1991."""


@attrs.frozen(kw_only=True)
class ShownField:
    """A field of the form as it was filed.

    Attributes:
        key: The server's name for it; several fields may have the same.
        name: Its name for people.
        kind: The server's word for its type, e.g. ``STRING``.
        value: A plain JSON value.
        text: The value for people.
    """

    key: str
    name: str
    kind: str
    value: object
    text: str


@attrs.frozen(kw_only=True)
class ShownTicket:
    """What a page shows of a ticket.

    Attributes:
        status: What its status word comes down to.
        word: The server's status word.
        labels: The word for people, by language (``zh``, ``en``); a word that is not known stands for itself.
        ticket_url: Its page; empty if the server names none that a browser may be sent to.
        iframe_ticket_url: Its page for embedding; empty likewise.
        fields: The form as it was filed, in its order; empty if it cannot be told.
        steps: The names of the steps that it is at.
        ambiguous: Several tickets carry its number, so that form and steps cannot be told.
    """

    id: str
    sn: str
    title: str
    creator: str
    status: TicketStatus
    word: str
    labels: Mapping[str, str]
    ticket_url: str
    iframe_ticket_url: str
    fields: tuple[ShownField, ...] = ()
    steps: tuple[str, ...] = ()
    ambiguous: bool = False


@attrs.frozen(kw_only=True)
class ShownStep:
    """A step that a ticket is at.

    Attributes:
        name: Its name for people.
        word: The server's word for its status.
        people: Those whom it asks, if they are named one by one.
    """

    name: str
    word: str
    people: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class ShownStatus:
    """How a ticket of some number stands.

    Attributes:
        status: What its status word comes down to.
        word: The server's status word.
        labels: The word for people, by language (``zh``, ``en``); a word that is not known stands for itself.
        ticket_url: Its page; empty if the server names none that a browser may be sent to.
        iframe_ticket_url: Its page for embedding; empty likewise.
        operations: What the gateway's user can do to it: ``WITHDRAW``, ``SUSPEND``, ``UNSUSPEND``, ``TERMINATE``.
        steps: The steps that it is at.
    """

    sn: str
    status: TicketStatus
    word: str
    labels: Mapping[str, str]
    ticket_url: str
    iframe_ticket_url: str
    operations: tuple[str, ...] = ()
    steps: tuple[ShownStep, ...] = ()


@attrs.frozen(kw_only=True)
class LogEntry:
    """One line of a ticket's log.

    Attributes:
        at: When, in UTC; None if the server wrote no time.
        operator: Who; empty for the system.
        message: What, in the server's words.
        source: Where from, e.g. ``WEB``, ``API`` or ``SYS``.
        step: The server's word for the kind of step, e.g. ``APPROVAL``; empty for none.
        fields: What was filled in.
    """

    at: dt.datetime | None
    operator: str
    message: str
    source: str
    step: str
    fields: tuple[ShownField, ...] = ()


def labels_of(word: str) -> Mapping[str, str]:
    """Return a status word for people, by language."""
    return LABELS.get(word) or dict.fromkeys(("zh", "en"), clean(word, limit=64))


def show_ticket(page: TicketPage | TicketRow, status: TicketStatus, shows: PageRule) -> ShownTicket:
    """Return what may be shown of a ticket."""
    alone = None if isinstance(page, TicketRow) else page
    return ShownTicket(
        id=str(page.id),
        sn=page.sn,
        title=clean(page.title),
        creator=clean(page.creator, limit=64),
        status=status,
        word=clean(page.current_status, limit=64),
        labels=labels_of(page.current_status),
        ticket_url=page_url(page.ticket_url, shows),
        iframe_ticket_url=page_url(page.iframe_ticket_url, shows),
        fields=() if alone is None else tuple(_shown(attrs.asdict(field)) for field in alone.fields),
        steps=() if alone is None else tuple(clean(step.name, limit=64) for step in alone.current_steps),
        ambiguous=alone is None,
    )


def show_status(sn: str, page: TicketStatusPage, status: TicketStatus, shows: PageRule) -> ShownStatus:
    """Return what may be shown of how a ticket stands."""
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
    """Return what may be shown of a ticket's log."""
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
    """Return a time that the server wrote, in UTC; None if it wrote no time."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=SERVER_ZONE)
    try:
        return moment.astimezone(dt.UTC)
    except OverflowError:  # the first or the last day there is
        return None

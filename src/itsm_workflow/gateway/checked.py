"""The checks of every gateway's answers, where they enter the library.

An id or a number that is not valid makes the answer unusable: a create is then unknown, and a look-up or a read must be
repeated. An optional text that cannot be stored or shown is cleaned. An address that may not be shown is dropped. The
ticket is usable without either.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

import attrs

from itsm_workflow.bkapi.envelope import clean
from itsm_workflow.change import Decider
from itsm_workflow.errors import GatewayMistake, GatewayProtocolError
from itsm_workflow.gateway.adoption import KnownTicket
from itsm_workflow.gateway.protocol import Created, FoundTicket, NotSent, Refused, Standing, TicketResult, Unknown
from itsm_workflow.machine.evidence import Snapshot, TicketStatus, Withdrawal
from itsm_workflow.text import escaped, kind_of, steering_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.change import Ticket
    from itsm_workflow.gateway.protocol import CreateAnswer

PageRule: TypeAlias = Callable[[str], bool]
"""A function that returns whether ticket pages on a host may be shown."""

MOST_DECIDERS = 20
"""The largest number of decisions that is kept of one ticket."""

GATEWAY_NAME = "1 to 64 of the letters A to Z and a to z, the digits, and _ - ."
"""The form of a gateway's name. A colon follows the name in the unique text of a ticket, so it has no colon."""

_NAME = re.compile(r"[0-9A-Za-z_.-]{1,64}")
TICKET_ID = (
    "1 to 64 of the letters A to Z and a to z, the digits, and . _ -, first a letter or a digit; an id of digits alone "
    "has at most 32 and does not begin with 0"
)
"""The form of a ticket's id, such as ``7``, ``PRJ-12`` or a UUID."""

_ID = re.compile(r"[1-9][0-9]{0,31}|(?![0-9]+\Z)[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
_SN = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
_PROBLEM = 3
_MAX_URL, _MAX_WORD, _MAX_TEXT, _MAX_SERVICE = 2048, 64, 500, 200
_NEVER = frozenset(" \"'<>\\`^{|}")  # a valid address contains them only escaped, and they break a page
_FLAG, _RESULT = (bool, type(None)), (TicketStatus, type(None))
_TYPES: Mapping[str, tuple[type, ...]] = {
    "status": (TicketStatus,),
    "word": (str,),
    "seen_at": (dt.datetime,),
    "result_status": _RESULT,
    "approve_result": _FLAG,
    "approval_step": _FLAG,
    "step_running": _FLAG,
    "decision": (str, type(None)),
    "ambiguous": (bool,),
    "closed_by": (str,),
    "deciders": (tuple,),
    "inconclusive": (str,),
    "differences": (tuple,),
}


def any_host(_host: str) -> bool:
    """Allow the pages of every host."""
    return True


def page_url(url: object, shows: PageRule) -> str:
    """Return an address if a browser may be sent there, else an empty string.

    Args:
        url: The address that the gateway returned.
        shows: Returns whether a host is allowed.
    """
    if not isinstance(url, str) or len(url) > _MAX_URL or not url.isprintable() or set(url) & _NEVER:
        return ""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not host or "@" in parts.netloc:
        return ""
    return url if shows(host) else ""


def is_gateway_name(name: object) -> bool:
    """Return whether a name is valid for a gateway."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def checked_service(service: object) -> str:
    """Return the service with which a gateway files tickets.

    Raises:
        GatewayProtocolError: The service is not plain text.
    """
    if isinstance(service, str) and 0 < len(service) <= _MAX_SERVICE and not steering_in(service):
        return service
    raise GatewayProtocolError("the gateway returned a service that is not plain text", endpoint="service")


def checked_problems(problems: object) -> tuple[tuple[str, str, str], ...]:
    """Return the problems that a gateway found in a form.

    Raises:
        GatewayMistake: The answer is not a list of triples of field, value and rule, all of them text.
    """
    found = tuple(problems) if isinstance(problems, list | tuple) else (None,)
    if all(isinstance(one, tuple) and len(one) == _PROBLEM and all(type(each) is str for each in one) for one in found):
        return found
    raise GatewayMistake("a problem of a form must be a tuple of field, value and rule", endpoint="check_service_form")


def checked_answer(answer: object, shows: PageRule) -> CreateAnswer:
    """Return the result of a create. Never raises: the request was sent, and a result without proof is unknown."""
    if isinstance(answer, Created):
        wrong = wrong_identity(answer.id, answer.sn)
        if wrong:
            return Unknown(problem=f"the gateway answered with a ticket, but {wrong}")
        return attrs.evolve(answer, url=page_url(answer.url, shows))
    if isinstance(answer, NotSent | Unknown):
        return attrs.evolve(answer, problem=_words(answer.problem))
    if isinstance(answer, Refused) and type(answer.remote_code) is int:
        return attrs.evolve(answer, message=_words(answer.message))
    return Unknown(problem=f"the gateway answered a create with {kind_of(answer)}, which is not a valid answer")


def checked_found(found: object, shows: PageRule) -> tuple[FoundTicket, ...]:
    """Return the tickets that a look-up found. A row that is not valid is left out if it does not carry our key.

    Raises:
        GatewayProtocolError: A row that carries our key is not valid, so the look-up must be repeated. Or the answer is
            not a list of tickets, which does not mean that no ticket exists.
    """
    rows = []
    for row in _listed(found, "look_up"):
        wrong = _wrong_row(row)
        if not wrong and isinstance(row, FoundTicket):
            rows.append(_shown_ticket(row, shows))
        elif not isinstance(row, FoundTicket) or row.key != "":
            raise GatewayProtocolError(f"a ticket that the look-up found cannot be used: {wrong}", endpoint="look_up")
    return tuple(rows)


def checked_known(found: object, shows: PageRule) -> tuple[KnownTicket, ...]:
    """Return the tickets with a number, which any program may have filed.

    Raises:
        GatewayProtocolError: A ticket is not valid, or the answer is not a list of tickets.
    """
    return tuple(_checked_ticket(one, shows) for one in _listed(found, "known_tickets"))


def checked_results(results: object, tickets: Sequence[Ticket]) -> Mapping[str, TicketResult]:
    """Return the valid results of our tickets. The caller reads a ticket without a result separately.

    Raises:
        GatewayMistake: The results are not a mapping.
    """
    if not isinstance(results, Mapping):
        raise GatewayMistake(f"{kind_of(results)} is not a mapping of results", endpoint="results")
    ours = {ticket.id: ticket for ticket in tickets}
    return {
        key: attrs.evolve(row, sn=ours[key].sn, word=clean(row.word, limit=_MAX_WORD), closed_by=clean(row.closed_by))
        for key, row in results.items()
        if key in ours and _is_result(row) and row.ticket_id == key
    }


def checked_snapshot(snapshot: object, ticket: Ticket) -> Snapshot:
    """Return a gateway's snapshot of a ticket.

    Raises:
        GatewayProtocolError: The snapshot is about another ticket, or an attribute of it has the wrong type.
    """
    if not isinstance(snapshot, Snapshot):
        raise _unreadable(ticket, f"it is {kind_of(snapshot)}")
    if snapshot.ticket_id != ticket.id:
        raise _unreadable(ticket, "it is about another ticket")
    for name, kinds in _TYPES.items():
        if not isinstance(getattr(snapshot, name), kinds):
            raise _unreadable(ticket, f"its {name} is {kind_of(getattr(snapshot, name))}")
    if snapshot.seen_at.tzinfo is None:
        raise _unreadable(ticket, "its seen_at has no time zone")
    if not all(map(_is_decider, snapshot.deciders)):
        raise _unreadable(ticket, "one of its deciders is invalid")
    return attrs.evolve(
        snapshot,
        sn=ticket.sn,
        word=clean(snapshot.word, limit=_MAX_WORD),
        decision=None if snapshot.decision is None else clean(snapshot.decision, limit=_MAX_WORD),
        closed_by=clean(snapshot.closed_by),
        deciders=capped(tuple(map(_plain_decider, snapshot.deciders))),
        inconclusive=_words(snapshot.inconclusive),
        differences=tuple(map(_plain, snapshot.differences)),
    )


def checked_standing(answer: object, shows: PageRule) -> Standing:
    """Return a ticket's status as a gateway answered it, with the page only if it may be shown.

    Raises:
        GatewayMistake: The answer is not a status.
    """
    if isinstance(answer, Standing) and isinstance(answer.status, TicketStatus):
        return attrs.evolve(answer, iframe_url=page_url(answer.iframe_url, shows))
    raise GatewayMistake(f"{kind_of(answer)} is not the status of a ticket", endpoint="standing")


def checked_numbers(numbers: object) -> list[str]:
    """Return the valid numbers of a list of ticket numbers, without duplicates.

    Raises:
        GatewayMistake: The numbers are not a list.
    """
    listed = _listed(numbers, "undelivered")
    return list(dict.fromkeys(one for one in listed if isinstance(one, str) and _SN.fullmatch(one)))


def checked_withdrawal(answer: object) -> Withdrawal:
    """Return the result of a withdrawal.

    Raises:
        GatewayMistake: The answer is not a result, so it is not known whether the ticket was withdrawn.
    """
    if isinstance(answer, Withdrawal):
        return answer
    raise GatewayMistake(f"{kind_of(answer)} is not the result of a withdrawal", endpoint="withdraw")


def checked_time(time: object) -> dt.datetime | None:
    """Return a gateway's own time, or None if the gateway does not show it.

    Raises:
        GatewayMistake: The answer is not a time, or has no time zone.
    """
    if time is None or (isinstance(time, dt.datetime) and time.utcoffset() is not None):
        return time
    raise GatewayMistake(f"{kind_of(time)} is not a time with a time zone", endpoint="time")


def checked_resting(why: object) -> str:
    """Return the reason why a gateway sends no calls for a while; empty if it sends them.

    Raises:
        GatewayMistake: The reason is not text.
    """
    if isinstance(why, str):
        return _words(why)
    raise GatewayMistake(f"{kind_of(why)} is not text that says why the gateway rests", endpoint="resting")


def _listed(rows: object, endpoint: str) -> Iterable[object]:
    if isinstance(rows, Iterable) and not isinstance(rows, str | bytes | Mapping):
        return rows
    raise GatewayMistake(f"{kind_of(rows)} is not a list", endpoint=endpoint)


def capped(deciders: tuple[Decider, ...]) -> tuple[Decider, ...]:
    """Return the first decisions; of too many, only the first decision of each person with each verdict.

    Repeated decisions of one person must not hide the others: the list of approvers shows whether the applicant alone
    approved.
    """
    if len(deciders) > MOST_DECIDERS:
        first: dict[tuple[str, bool | None], Decider] = {}
        for one in deciders:
            first.setdefault((one.user, one.approved), one)
        deciders = tuple(first.values())
    return deciders[:MOST_DECIDERS]


def wrong_identity(ticket_id: object, sn: object) -> str:
    """Return the problem of an id or a number, empty if they are valid; the message quotes neither."""
    if not isinstance(ticket_id, str) or not _ID.fullmatch(ticket_id):
        return f"its id is not {TICKET_ID}"
    return "" if isinstance(sn, str) and _SN.fullmatch(sn) else "its number is not plain text"


def _wrong_row(row: Any) -> str:  # noqa: ANN401 - a gateway may return anything
    if not isinstance(row, FoundTicket):
        return f"it is {kind_of(row)}"
    parts = ((row.key, str), (row.differences, tuple), (row.unseen, tuple))
    if not all(isinstance(value, kind) for value, kind in parts):
        return "its comparison with what was sent is not valid"
    return wrong_identity(row.id, row.sn)


def _shown_ticket(row: FoundTicket, shows: PageRule) -> FoundTicket:
    return attrs.evolve(
        row,
        key=_plain(row.key),
        url=page_url(row.url, shows),
        title=_plain(row.title),
        creator=_plain(row.creator),
        differences=tuple(map(_plain, row.differences)),
        unseen=tuple(map(_plain, row.unseen)),
    )


def _checked_ticket(one: object, shows: PageRule) -> KnownTicket:
    wrong = wrong_identity(one.id, one.sn) if isinstance(one, KnownTicket) else f"it is {kind_of(one)}"
    if isinstance(one, KnownTicket) and not wrong and isinstance(one.status, TicketStatus):
        problem = _words(one.problem)
        service = one.service if problem else checked_service(one.service)
        return attrs.evolve(one, url=page_url(one.url, shows), word=_words(one.word), problem=problem, service=service)
    problem = f"a ticket with that number cannot be used: {wrong or 'its status is not valid'}"
    raise GatewayProtocolError(problem, endpoint="known_tickets")


def _is_result(row: Any) -> bool:  # noqa: ANN401 - a gateway may return anything
    if not isinstance(row, TicketResult):
        return False
    types = ((row.status, TicketStatus), (row.approve_result, bool), (row.word, str), (row.closed_by, str))
    return all(isinstance(value, kind) for value, kind in types)


def _is_decider(one: Any) -> bool:  # noqa: ANN401 - a gateway may return anything
    if not isinstance(one, Decider):
        return False
    types = ((one.user, str), (one.approved, _FLAG), (one.remark, str), (one.at, (dt.datetime, type(None))))
    return all(isinstance(value, kind) for value, kind in types) and (one.at is None or one.at.tzinfo is not None)


def _plain_decider(one: Decider) -> Decider:
    return attrs.evolve(one, user=clean(one.user, limit=_MAX_WORD), remark=clean(one.remark))


def _plain(text: object) -> str:
    return escaped(text)[:_MAX_TEXT] if isinstance(text, str) else ""


def _words(text: object) -> str:
    return clean(text, limit=_MAX_TEXT) if isinstance(text, str) else ""


def _unreadable(ticket: Ticket, problem: str) -> GatewayProtocolError:
    return GatewayProtocolError(f"the snapshot of ticket {ticket.id} cannot be used: {problem}", endpoint="read")

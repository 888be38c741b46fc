"""The comparison of a BK-ITSM ticket with what was sent, in any spelling that the server stores.

The server rewrites some values. It strips the title, stores values as text, puts commas around user names, and filters
texts as HTML. Such a change is not a difference if the stored form of the value is known. If it is not known, the part
counts as not seen: it is neither equal nor different.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any, Protocol

from itsm_workflow.bkapi.envelope import clean
from itsm_workflow.gateway.bk_itsm.form import APPROVER_FIELD, FAST_APPROVAL, full_title, other_title, sent_fields
from itsm_workflow.gateway.bk_itsm.markup import is_stored_as
from itsm_workflow.gateway.bk_itsm.page import server_moment
from itsm_workflow.gateway.protocol import FoundTicket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from itsm_workflow.gateway.bk_itsm.wire import FormField, TicketPage, TicketRow
    from itsm_workflow.gateway.protocol import SentTicket
    from itsm_workflow.settings import Settings

MAX_PAGES_READ = 8
"""The largest number of tickets that one look-up reads in full."""

_SHOWN, _PARTS, _LEAD = 80, 8, 20
_TITLE = "title"
_SET_BY_SERVER = frozenset({_TITLE, "priority", "current_status"})
_EMPTY_TEXTS = frozenset({"", "None", "null", "[]", "{}"})

Parts = tuple[tuple[str, ...], tuple[str, ...]]
"""The differences, and the parts that were not seen."""


class _Head(Protocol):
    """The attributes that a ticket's row of the list and its page have in common."""

    @property
    def title(self) -> str: ...
    @property
    def creator(self) -> str: ...
    @property
    def service_id(self) -> Any: ...  # noqa: ANN401 - JSON of the server
    @property
    def create_at(self) -> Any: ...  # noqa: ANN401 - JSON of the server


class TicketMatcher:
    """The comparison of one look-up's tickets with what was sent.

    Args:
        sent: What was sent.
        settings: Name the fields that carry the parts of the form.
        builtin: Returns the number of the built-in service, or an empty string and the reason if it is not known.
        page: Returns the page of a row's ticket, or the reason why it cannot be read.
        fields: Returns the fields of a service's form, or None if they are not known.
    """

    def __init__(
        self,
        sent: SentTicket,
        settings: Settings,
        *,
        builtin: Callable[[], tuple[str, str]],
        page: Callable[[TicketRow], TicketPage | str],
        fields: Callable[[str], Sequence[FormField] | None],
    ) -> None:
        self._sent = sent
        self._settings = settings
        self._builtin = builtin
        self._page = page
        self._fields = fields
        self._title = full_title(sent.form, sent.attempt.key, settings)
        self._other_title = other_title(sent.form, sent.attempt.key, settings)
        self._service: tuple[str, str] | None = None

    def looks_ours(self, row: TicketRow) -> bool:
        """Return whether a row of the list shows no difference."""
        return not self._head(row)[0]

    def differences(self, shown: TicketPage | TicketRow) -> Sequence[str]:
        """Return the differences in a ticket's title, creator and service; a part that is not shown does not differ.

        The title may carry our key or not, since the setting may have been changed after the create. The time is not
        compared: the gateway sets it, and the clock of this machine may have been wrong when the ticket was filed.
        """
        return _capped(self._identity(shown, (self._title, self._other_title))[0])

    def compare(self, rows: Iterable[TicketRow], *, in_full: bool = False) -> Mapping[int, Parts]:
        """Return the differences and the unseen parts of each ticket, by id.

        At most `MAX_PAGES_READ` tickets are read in full, the oldest first.

        Args:
            rows: The tickets.
            in_full: Whether to read tickets whose row already shows a difference as well, to list all differences.
        """
        found: dict[int, Parts] = {}
        pages = 0
        for row in sorted(rows, key=lambda row: row.id):
            differences, unseen = self._head(row)
            if (in_full or not differences) and pages < MAX_PAGES_READ:
                pages += 1
                more, not_shown = self._full(row)
                differences = tuple(dict.fromkeys((*differences, *more)))
                unseen = tuple(dict.fromkeys((*unseen, *not_shown)))
            elif in_full or not differences:
                unseen += ("form: not read, too many tickets look like it",)
            found[row.id] = _capped(differences), _capped(unseen)
        return found

    def _head(self, shown: _Head) -> Parts:
        differences, unseen = self._identity(shown, (self._title,))
        since = self._sent.made_after
        made = server_moment(shown.create_at) if isinstance(shown.create_at, str) else None
        if made is None:
            unseen += ("made: no time is shown that can be read",)
        elif made < since.replace(microsecond=0):  # the server cuts fractions off
            differences += (f"made: not before {_utc(since)}, shows {_utc(made)}",)
        return differences, unseen

    def _identity(self, shown: _Head, titles: Sequence[str]) -> Parts:
        differences: list[str] = []
        unseen: list[str] = []
        creator = self._sent.attempt.creator
        if shown.creator != creator:
            differences.append(_both("creator", creator, shown.creator))
        same = {is_stored_as(title, shown.title) for title in titles}
        if same == {False}:
            differences.append(_both("title", self._title, shown.title))
        elif True not in same:
            unseen.append(_undecided("title", self._title, shown.title))
        (service, problem), number = self._wanted_service(), service_number(shown.service_id)
        if problem or not number:
            unseen.append(f"service: {problem or 'not shown'}")
        elif number != service:
            differences.append(_both("service", service, number))
        return tuple(differences), tuple(unseen)

    def _wanted_service(self) -> tuple[str, str]:
        if self._service is None:
            service = self._sent.attempt.service
            self._service = self._builtin() if service == FAST_APPROVAL else (service, "")
        return self._service

    def _full(self, row: TicketRow) -> Parts:
        page = self._page(row)
        if isinstance(page, str):
            return (), (f"form: {page}",)
        if page.id != row.id:
            return (), ("form: another ticket has the same number",)
        differences, unseen = self._head(page)
        for part, is_shown in self._form(page):
            if is_shown:
                differences += (part,)
            else:
                unseen += (part,)
        return differences, unseen

    def _form(self, page: TicketPage) -> Iterator[tuple[str, bool]]:
        """Yield each differing part of the form with True, and each part that is not shown with False."""
        sent, shown = self._sent, _by_key(page)
        if all(_is_empty(value) for value in shown.get(_TITLE, ())):
            yield "form: its fields are not filled in yet", False  # the server writes them together, after the ticket
            return
        fast = sent.attempt.service == FAST_APPROVAL
        people = APPROVER_FIELD if fast else self._settings.approver_field
        # The approvers come first, since only the beginning of a long list is kept.
        approvers = ",".join(sent.form.approvers)
        for step in page.current_steps if fast else ():
            # A ticket's creator can name other people for a step than the form does.
            if step.processors_type == "PERSON" and not _same_people(approvers, step.processors):
                yield _both("people asked", approvers, step.processors), True
        fields = [
            each for each in sent_fields(sent.form, sent.attempt, self._settings) if each[0] not in _SET_BY_SERVER
        ]
        fields += self._left_out({_TITLE, *(key for key, _ in fields)}, shown)
        for key, value in sorted(fields, key=lambda field: field[0] != people):
            name, same = (f"field {key}", _same_value) if key != people else ("approvers", _same_people)
            if key not in shown:
                yield f"{name}: not shown", False
            for each in shown.get(key, ()):
                is_same = same(value, each)
                if is_same is None:
                    yield _undecided(name, value, each), False
                elif not is_same:
                    yield _both(name, value, each), True

    def _left_out(self, sent: set[str], shown: Mapping[str, Sequence[object]]) -> list[tuple[str, object]]:
        """Return the fields of the form that were not sent and are filled in, each with the value that it should have.

        A person who files a ticket by hand can fill in an optional field, and so add an approver or a text for the
        approvers. The server fills in the default of a field. The page also shows fields of later steps; they are not
        compared.
        """
        service, settings = self._sent.attempt.service, self._settings
        if service == FAST_APPROVAL:
            return []  # all fields of its form were sent
        wanted: dict[str, object] = dict.fromkeys((settings.approver_field, settings.content_field), "")
        wanted |= {field.key: field.default for field in self._fields(service) or ()}
        return [
            (key, "" if value is None else value)
            for key, value in wanted.items()
            if key not in sent | _SET_BY_SERVER and not all(map(_is_empty, shown.get(key, ())))
        ]


def found_ticket(row: TicketRow, sent: SentTicket, parts: Parts, *, carries_key: bool, url: str) -> FoundTicket:
    """Return a ticket that a look-up found, from its row and the result of its comparison."""
    differences, unseen = parts
    if not carries_key:
        differences = (f"key: sent {sent.attempt.key}, not shown", *differences)
    return FoundTicket(
        id=str(row.id),
        sn=row.sn,
        url=url,
        title=row.title,
        creator=row.creator,
        key=sent.attempt.key if carries_key else "",
        differences=differences,
        unseen=unseen,
    )


def _by_key(page: TicketPage) -> Mapping[str, Sequence[object]]:
    found: dict[str, list[object]] = {}
    for field in page.fields:
        found.setdefault(field.key, []).append(field.value)
    return found


def _same_people(sent: object, shown: object) -> bool:
    return isinstance(sent, str) and isinstance(shown, str) and _people(sent) == _people(shown)


def _people(names: str) -> set[str]:
    """Return user names as the server splits them: only at commas, so a blank is part of a name."""
    return {name for name in names.split(",") if name}


def _same_value(sent: object, shown: object) -> bool | None:
    """Return whether a shown value is a form in which the server stores a sent one; None if that is not known."""
    if _is_empty(sent):
        return _is_empty(shown) or (isinstance(shown, str) and shown.strip() in _EMPTY_TEXTS)
    if isinstance(sent, str):
        return is_stored_as(sent, shown) if isinstance(shown, str) else _is_text_of(sent, shown)
    return _is_text_of(shown, sent) if isinstance(shown, str) else _json(sent) == _json(shown)


def _is_text_of(text: str, value: object) -> bool:
    """Return whether a text spells a value that is not text."""
    if text.strip() in {str(value), _json(value, sort_keys=False), json.dumps(value)}:
        return True
    try:
        return _json(json.loads(text)) == _json(value)
    except (ValueError, RecursionError):
        return False


def _is_empty(value: object) -> bool:
    return value is None or value in ([], {}) or (isinstance(value, str) and not value.strip())


def _json(value: object, *, sort_keys: bool = True) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=sort_keys)


def service_number(value: object) -> str:
    """Return a service's number as text; empty if it is not a number."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return text if text.isascii() and text.isdigit() else ""


def _both(name: str, sent: object, shown: object) -> str:
    """Return a difference with both values; long texts are cut to the place where they begin to differ."""
    texts = (value if isinstance(value, str) else "" if value is None else _json(value) for value in (sent, shown))
    one, other = (clean(text, limit=1000) for text in texts)
    start = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
    if max(len(one), len(other)) > _SHOWN and start > _LEAD:
        one, other = (f"…{text[start - _LEAD :]}" for text in (one, other))
    sides = (clean(text, limit=_SHOWN) or "nothing" for text in (one, other))
    return "{}: sent {}, shows {}".format(clean(name), *sides)


def _undecided(name: str, sent: object, shown: object) -> str:
    """Return both values of a text that cannot be compared, since the server rewrites possible tags in it."""
    return _both(f"{name}: not comparable, since the server rewrites HTML", sent, shown)


def _capped(parts: Sequence[str]) -> tuple[str, ...]:
    return tuple(parts) if len(parts) <= _PARTS else (*parts[:_PARTS], f"and {len(parts) - _PARTS} more")


def _utc(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"

"""The search for a ticket in BK-ITSM, even if the API gateway drops parameters.

``tag`` is the server's own correlation id. It can be searched for, but the server never shows it, and an API gateway
may drop it from the create or from the search. The server then returns the whole list. So a row is not trusted because
the search returned it. Either its title must end with the key's short form, or a test must have shown that the search
depends on the tag.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING

from itsm_workflow.errors import GatewayProtocolError
from itsm_workflow.gateway.bk_itsm.form import KEY_LIMIT, title_suffix
from itsm_workflow.gateway.bk_itsm.page import SERVER_ZONE
from itsm_workflow.gateway.bk_itsm.wire import GET_TICKETS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow.change import Attempt
    from itsm_workflow.gateway.bk_itsm.routes import RoutedClient
    from itsm_workflow.gateway.bk_itsm.wire import TicketRow

WINDOW = dt.timedelta(hours=24)
PAGE_SIZE = 100
MAX_PAGES = 50


class TicketSearch:
    """A search among BK-ITSM's tickets, never without a filter.

    Args:
        client: Calls the gateway.
        key_in_title: Whether titles end with the key's short form.
    """

    def __init__(self, client: RoutedClient, *, key_in_title: bool) -> None:
        self._client = client
        self._key_in_title = key_in_title

    def by_key(self, attempt: Attempt, looks_ours: Callable[[TicketRow], bool]) -> Sequence[TicketRow]:
        """Return the tickets that carry the attempt's key, of any creator.

        Args:
            attempt: The attempt whose key is searched for.
            looks_ours: Returns whether a row shows what was sent. Without such a row, the tickets that the creator
                filed around the time of the attempt are searched as well: the gateway may have dropped the tag.

        Raises:
            GatewayError: The gateway could not be asked, or the answer decides nothing; this does not mean that no
                ticket exists.
        """
        marked = self._marked(attempt)
        # A gateway that drops the tag returns the tickets of all users: one row without the key is enough to stop.
        rows = self._rows({"tag": attempt.key}, enough=lambda row: self._key_in_title and not marked(row))
        if not self._key_in_title:
            if rows and not self._tag_distinguishes(attempt.key):
                raise _undecided("the gateway ignores the search for a tag, and titles carry no key")
            return rows
        if any(not marked(row) for row in rows):
            rows = self._rows({"tag": attempt.key}) if self._tag_distinguishes(attempt.key) else ()
        if any(map(looks_ours, rows)):
            return rows
        known = {row.id for row in rows}
        return [*rows, *(row for row in self._by_window(attempt) if marked(row) and row.id not in known)]

    def by_sn(
        self, sn: str, attempt: Attempt, looks_ours: Callable[[TicketRow], bool]
    ) -> Sequence[tuple[TicketRow, bool]]:
        """Return the tickets with that number, each with a flag that is True if the ticket carries the attempt's key.

        Raises:
            GatewayError: The gateway could not be asked, or the answer decides nothing; this does not mean that no
                ticket exists.
        """
        rows = self.of_sn(sn)
        if self._key_in_title:
            marked = self._marked(attempt)
            return [(row, marked(row)) for row in rows]
        carrying = {row.id for row in self.by_key(attempt, looks_ours)} if rows else set()
        return [(row, row.id in carrying) for row in rows]

    def of_sn(self, sn: str) -> Sequence[TicketRow]:
        """Return the tickets with that number; usually one, but a number is not unique.

        Raises:
            GatewayError: The gateway could not be asked; this does not mean that no ticket exists.
        """
        wanted = plain_number(sn)
        rows = self._rows({"sns": [sn]}, enough=lambda row: plain_number(row.sn) != wanted)
        if any(plain_number(row.sn) != wanted for row in rows):
            raise _undecided("the gateway ignores the search for a number")
        return rows

    def _by_window(self, attempt: Attempt) -> Sequence[TicketRow]:
        """Return the tickets that the creator filed around the attempt; a resend is later than the first submission."""
        latest = max(attempt.submitted_at, attempt.marked_at or attempt.submitted_at)
        return self._rows(
            {
                "creator": attempt.creator,
                "create_at__gte": _server_time(attempt.submitted_at - WINDOW),
                "create_at__lte": _server_time(latest + WINDOW),
            }
        )

    def _marked(self, attempt: Attempt) -> Callable[[TicketRow], bool]:
        suffix = title_suffix(attempt.key)
        return lambda row: row.title.endswith(suffix)

    def _tag_distinguishes(self, key: str) -> bool:
        """Return whether a search for a tag that no ticket has returns nothing, as it must."""
        unused = hashlib.sha256(f"nobody has this tag: {key}".encode()).hexdigest()[:KEY_LIMIT]
        return not self._client.call(GET_TICKETS, {"tag": unused, "page": 1, "page_size": 1}).items

    def _rows(
        self, filters: Mapping[str, object], *, enough: Callable[[TicketRow], bool] = lambda _: False
    ) -> Sequence[TicketRow]:
        """Return the rows of all pages of a search without duplicates; stop after a page with a row that is enough.

        A list that grows during the search repeats rows but does not lose any, since the newest come first. A list that
        shrinks may hide a row between two pages, so the search must find as many rows as the first page counted.
        """
        found: dict[int, TicketRow] = {}
        at_first: int | None = None
        for page in range(1, MAX_PAGES + 1):
            answer = self._client.call(GET_TICKETS, {**filters, "page": page, "page_size": PAGE_SIZE})
            found |= {row.id: row for row in answer.items}
            if any(enough(row) for row in answer.items):
                return list(found.values())
            at_first = answer.count if at_first is None else at_first
            if page >= answer.total_page:
                if len(found) < at_first:
                    raise _undecided("the pages do not add up to the count of the first page")
                return list(found.values())
        raise _undecided(f"more than {MAX_PAGES} pages answer the search")


def plain_number(sn: str) -> str:
    """Return an sn as the server compares it: letter case and trailing blanks are ignored."""
    return sn.rstrip().casefold()


def _server_time(moment: dt.datetime) -> str:
    return moment.astimezone(SERVER_ZONE).strftime("%Y-%m-%d %H:%M:%S")


def _undecided(problem: str) -> GatewayProtocolError:
    return GatewayProtocolError(problem, endpoint=GET_TICKETS.name)

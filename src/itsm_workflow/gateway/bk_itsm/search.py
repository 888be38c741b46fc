"""Finding a ticket again in BK-ITSM, whatever the gateway between passes on.

``tag`` is the server's own correlation id, but it is searched for and never shown, and a gateway may drop it from the
create or from the search. Then the whole list would come back. So no row is believed for having been searched for: it
must show the key's short form in its title, or the search must have been seen to distinguish.
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
    """Searches BK-ITSM's tickets, never without a filter.

    Args:
        client: Calls the gateway.
        key_in_title: Whether titles end with the key's short form.
    """

    def __init__(self, client: RoutedClient, *, key_in_title: bool) -> None:
        self._client = client
        self._key_in_title = key_in_title

    def by_key(self, attempt: Attempt, looks_ours: Callable[[TicketRow], bool]) -> Sequence[TicketRow]:
        """Return the tickets that carry the attempt's key, whoever made them.

        Args:
            attempt: Its key is searched for.
            looks_ours: Returns whether a row shows what was sent. Without such a row, the tickets that the creator
                filed around the attempt are looked through as well: the gateway may have dropped the tag of ours.

        Raises:
            GatewayError: It could not be asked, or the answer cannot tell; that is not "none".
        """
        marked = self._marked(attempt)
        # A gateway that drops the tag answers with everybody's tickets: one foreign row is enough to stop.
        rows = self._rows({"tag": attempt.key}, enough=lambda row: self._key_in_title and not marked(row))
        if not self._key_in_title:
            if rows and not self._tag_distinguishes(attempt.key):
                raise _cannot_tell("the gateway ignores the search for a tag, and titles carry no key")
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
        """Return the tickets of that number, each with whether it was seen to carry the attempt's key.

        Raises:
            GatewayError: It could not be asked, or the answer cannot tell; that is not "none".
        """
        rows = self.of_sn(sn)
        if self._key_in_title:
            marked = self._marked(attempt)
            return [(row, marked(row)) for row in rows]
        carrying = {row.id for row in self.by_key(attempt, looks_ours)} if rows else set()
        return [(row, row.id in carrying) for row in rows]

    def of_sn(self, sn: str) -> Sequence[TicketRow]:
        """Return the tickets of that number; usually one, but a number is not unique.

        Raises:
            GatewayError: It could not be asked; that is not "none".
        """
        wanted = _plain(sn)
        rows = self._rows({"sns": [sn]}, enough=lambda row: _plain(row.sn) != wanted)
        if any(_plain(row.sn) != wanted for row in rows):
            raise _cannot_tell("the gateway ignores the search for a number")
        return rows

    def _by_window(self, attempt: Attempt) -> Sequence[TicketRow]:
        """Return what the creator filed around the attempt; a resend is later than its first submission."""
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
        """Return whether a tag that nobody has finds nothing, as it must."""
        nobody = hashlib.sha256(f"nobody has this tag: {key}".encode()).hexdigest()[:KEY_LIMIT]
        return not self._client.call(GET_TICKETS, {"tag": nobody, "page": 1, "page_size": 1}).items

    def _rows(
        self, filters: Mapping[str, object], *, enough: Callable[[TicketRow], bool] = lambda _: False
    ) -> Sequence[TicketRow]:
        """Return all pages of a search, each ticket once; stop after a page with a row that is enough.

        A list that grows while it is read shows rows twice and loses none, since the newest come first. One that
        shrinks may hide a row between two pages; so all that were there at first must be found.
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
                    raise _cannot_tell("the pages do not add up to the count")
                return list(found.values())
        raise _cannot_tell(f"more than {MAX_PAGES} pages answer the search")


def _plain(sn: str) -> str:
    """Return an sn as the server compares it: letter case and trailing blanks do not count."""
    return sn.rstrip().casefold()


def _server_time(moment: dt.datetime) -> str:
    return moment.astimezone(SERVER_ZONE).strftime("%Y-%m-%d %H:%M:%S")


def _cannot_tell(problem: str) -> GatewayProtocolError:
    return GatewayProtocolError(problem, endpoint=GET_TICKETS.name)

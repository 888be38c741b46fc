"""The search for tickets of a ledger, by the rules with which `BkItsmGateway` searches a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.bkapi.envelope import decode
from itsm_workflow.errors import GatewayProtocolError
from itsm_workflow.gateway.bk_itsm.form import title_suffix
from itsm_workflow.gateway.bk_itsm.match import TicketMatcher, found_ticket
from itsm_workflow.gateway.bk_itsm.reader import unread
from itsm_workflow.gateway.bk_itsm.services import BUILTIN_DISPLAY_TYPE, BUILTIN_NAME, number_of_builtin
from itsm_workflow.gateway.bk_itsm.wire import FormField, TicketPage, TicketRow
from itsm_workflow.sandbox import rendering

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.gateway.protocol import FoundTicket, SentTicket
    from itsm_workflow.sandbox.ledger import Ledger
    from itsm_workflow.sandbox.ticket import Ticket
    from itsm_workflow.settings import Settings


class LedgerSearch:
    """A search in a ledger. The caller holds the ledger's lock.

    Args:
        ledger: The tickets.
        settings: Determine which parts of a form are sent, and whether titles carry the key.
        keeps_tag: Whether tickets can be searched for by their tag.
    """

    def __init__(self, ledger: Ledger, settings: Settings, *, keeps_tag: bool) -> None:
        self._ledger = ledger
        self._settings = settings
        self._keeps_tag = keeps_tag

    def by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """Return the tickets that carry the key, whatever their creator.

        Raises:
            GatewayProtocolError: The tag is dropped and titles do not carry the key.
        """
        self._check_that_keys_show()
        return self._compared([(ticket, True) for ticket in self._carrying(sent)], sent)

    def by_sn(self, sn: str, sent: SentTicket) -> Sequence[FoundTicket]:
        """Return the tickets with that number; ``key`` is set on those that carry it.

        Raises:
            GatewayProtocolError: The tag is dropped and titles do not carry the key.
        """
        found = self._ledger.by_sn(sn)
        if found:
            self._check_that_keys_show()
        return self._compared([(ticket, self._shows_key(ticket, sent)) for ticket in found], sent, in_full=True)

    def differences(self, ticket: Ticket, sent: SentTicket) -> Sequence[str]:
        """Return which of title, creator and service of a ticket differ from what was sent."""
        return self._matcher(sent).differences(self._row(ticket))

    def _check_that_keys_show(self) -> None:
        if not self._keeps_tag and not self._settings.key_in_title:
            raise GatewayProtocolError(
                "the gateway ignores the search for a tag, and titles carry no key", endpoint="get_tickets"
            )

    def _shows_key(self, ticket: Ticket, sent: SentTicket) -> bool:
        if self._settings.key_in_title:
            return ticket.draft.title.endswith(title_suffix(sent.attempt.key))
        return ticket.draft.tag == sent.attempt.key

    def _carrying(self, sent: SentTicket) -> Sequence[Ticket]:
        """Return the tagged tickets and, unless one of them is ours, those with the key in their title."""
        key, matcher, newest_first = sent.attempt.key, self._matcher(sent), self._ledger.newest_first()
        tagged = [one for one in newest_first if self._keeps_tag and one.draft.tag == key]
        if not self._settings.key_in_title or any(matcher.looks_ours(self._row(one)) for one in tagged):
            return tagged
        others = [one for one in newest_first if one.draft.creator == sent.attempt.creator and one not in tagged]
        return [*tagged, *(one for one in others if self._shows_key(one, sent))]

    def _matcher(self, sent: SentTicket) -> TicketMatcher:
        return TicketMatcher(sent, self._settings, builtin=self._builtin, page=self._page, fields=self._fields)

    def _builtin(self) -> tuple[str, str]:
        services = self._ledger.services.values()
        hidden = [one for one in services if one.display_type == BUILTIN_DISPLAY_TYPE]
        return number_of_builtin([str(one.id) for one in hidden if one.name == BUILTIN_NAME])

    def _row(self, ticket: Ticket) -> TicketRow:
        return decode(rendering.listed(self._ledger, ticket), TicketRow, endpoint="get_tickets", request_id="")

    def _page(self, row: TicketRow) -> TicketPage | str:
        found = self._ledger.by_sn(row.sn)
        if len(found) != 1:
            return unread("SERVER_500_ERROR")
        return decode(rendering.info(self._ledger, found[0]), TicketPage, endpoint="get_ticket_info", request_id="")

    def _fields(self, service: str) -> Sequence[FormField] | None:
        known = self._ledger.services.get(int(service))
        return (
            None
            if known is None
            else [FormField(key=field.key, type=field.type, name=field.name) for field in known.form]
        )

    def _compared(
        self, tickets: Sequence[tuple[Ticket, bool]], sent: SentTicket, *, in_full: bool = False
    ) -> Sequence[FoundTicket]:
        rows = [(self._row(ticket), carries) for ticket, carries in tickets]
        parts = self._matcher(sent).compare((row for row, _ in rows), in_full=in_full)
        return [
            found_ticket(row, sent, parts[row.id], carries_key=carries, url=str(row.ticket_url))
            for row, carries in rows
        ]

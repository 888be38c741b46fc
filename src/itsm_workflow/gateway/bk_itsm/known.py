"""BK-ITSM tickets that any program may have filed, each with the form that it was filed with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.bkapi.envelope import clean
from itsm_workflow.gateway.adoption import KnownTicket
from itsm_workflow.gateway.bk_itsm.form import APPROVER_FIELD, CONTENT_FIELD, FAST_APPROVAL
from itsm_workflow.gateway.bk_itsm.match import service_number
from itsm_workflow.gateway.bk_itsm.reader import status_of
from itsm_workflow.gateway.bk_itsm.wire import GET_TICKET_INFO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow.gateway.bk_itsm.routes import RoutedClient
    from itsm_workflow.gateway.bk_itsm.search import TicketSearch
    from itsm_workflow.gateway.bk_itsm.service_form import ServiceForms
    from itsm_workflow.gateway.bk_itsm.services import ServiceFinder
    from itsm_workflow.gateway.bk_itsm.wire import TicketPage, TicketRow
    from itsm_workflow.settings import Settings

_TITLE = "title"


class KnownTickets:
    """A reader of tickets that any program may have filed.

    Args:
        client: Calls the gateway.
        search: Finds all tickets with a number.
        services: Finds the service with which tickets are filed now.
        forms: Lists the fields of that service's form.
        settings: Name the fields that carry the parts of a form.
    """

    def __init__(
        self,
        client: RoutedClient,
        *,
        search: TicketSearch,
        services: ServiceFinder,
        forms: ServiceForms,
        settings: Settings,
    ) -> None:
        self._client = client
        self._search = search
        self._services = services
        self._forms = forms
        self._settings = settings

    def of_sn(self, sn: str, page_url: Callable[[object], str]) -> Sequence[KnownTicket]:
        """Return the tickets with that number; usually one, but a number is not unique.

        The page is read only if one ticket has the number, since BK-ITSM answers by number.

        Args:
            sn: The number.
            page_url: Returns the address of a ticket's page if it may be shown, else an empty string.

        Raises:
            GatewayError: The gateway could not be asked.
            ServiceNotFound: No service is configured, or none can be found.
        """
        rows = self._search.of_sn(sn)
        if len(rows) != 1:
            problem = f"{len(rows)} tickets have the number {clean(sn)}, and only the id distinguishes them"
            return [_known(row, page_url(row.ticket_url), problem=problem) for row in rows]
        [row] = rows
        page = self._client.call(GET_TICKET_INFO, {"sn": row.sn})
        url = page_url(page.ticket_url)
        if page.id != row.id or page.sn != row.sn:
            problem = f"BK-ITSM lists ticket {row.id} with the number {row.sn}, and shows ticket {page.id} by it"
            return [_known(row, url, problem=f"{problem}: look at both in BK-ITSM")]
        service, problem = self._service_of(page)
        if problem:
            return [_known(page, url, problem=problem)]
        return [self._with_form(page, url, service)]

    def _service_of(self, page: TicketPage) -> tuple[str, str]:
        """Return the service with which tickets are filed now, or the reason why the ticket is not one of its own."""
        service, shown = self._services.current(), service_number(page.service_id)
        number, problem = self._services.builtin() if service == FAST_APPROVAL else (service, "")
        if problem:
            return service, f"{problem}: run the command again later"
        if number == shown:
            return service, ""
        named = "the built-in service" if service == FAST_APPROVAL else f"service {number}"
        return service, (
            f"it is a ticket of service {shown or 'unknown'}, and this process files with {named}: use the settings "
            "of the handler that filed it, or leave the row out"
        )

    def _with_form(self, page: TicketPage, url: str, service: str) -> KnownTicket:
        settings, shown = self._settings, _by_key(page)
        if not shown.get(_TITLE):
            problem = "BK-ITSM has not filled in its form yet: run the command again in a minute"
            return _known(page, url, problem=problem)
        if service == FAST_APPROVAL:
            people, content = shown.get(APPROVER_FIELD), shown.get(CONTENT_FIELD)
            return _known(page, url, service=service, approvers=_names(people), content=_text(content))
        listed = self._forms.fields(service)
        if not listed:  # the page also shows the fields of later steps, with values that no one has given yet
            problem = f"BK-ITSM does not show the list of fields of service {service}: run the command again later"
            return _known(page, url, problem=problem)
        own = {_TITLE, settings.approver_field, settings.content_field}
        filed = {field.key for field in listed} - own
        return _known(
            page,
            url,
            service=service,
            approvers=_names(shown.get(settings.approver_field)),
            content=_text(shown.get(settings.content_field)),
            fields={key: value for key, value in shown.items() if key in filed and value is not None},
        )


def _known(
    shown: TicketPage | TicketRow,
    url: str,
    *,
    service: str = "",
    approvers: tuple[str, ...] = (),
    content: str = "",
    fields: Mapping[str, object] | None = None,
    problem: str = "",
) -> KnownTicket:
    return KnownTicket(
        id=str(shown.id),
        sn=shown.sn,
        url=url,
        status=status_of(shown.current_status),
        word=clean(shown.current_status, limit=64),
        title=shown.title,
        creator=shown.creator,
        approvers=approvers,
        content=content,
        fields=fields or {},
        service=service,
        problem=problem,
    )


def _by_key(page: TicketPage) -> Mapping[str, object]:
    """Return the values of the fields by key; the first of several fields with one key counts, as the form is first."""
    found: dict[str, object] = {}
    for field in page.fields:
        found.setdefault(field.key, field.value)
    return found


def _names(value: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in value.split(",") if name)) if isinstance(value, str) else ()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

"""The BK-ITSM service with which tickets are filed: configured, chosen by the host at each filing, or looked up.

The number of a service differs from one installation to another. So a service may also be configured by its name, or by
the display role that its owner gave it, among the services that are shown to APIs. A service that was found is cached
for a while; a failure is not.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Self

import attrs

from itsm_workflow.bkapi.envelope import clean
from itsm_workflow.errors import GatewayError, ServiceNotFound, SettingsError
from itsm_workflow.gateway.bk_itsm.form import FAST_APPROVAL
from itsm_workflow.gateway.bk_itsm.wire import GET_SERVICES
from itsm_workflow.gateway.protocol import Service
from itsm_workflow.text import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow.gateway.bk_itsm.routes import RoutedClient
    from itsm_workflow.settings import Settings

    ChooseService = Callable[[], str | int | None]

REMEMBERED = 300.0
"""The seconds for which the result of a look-up is cached."""
BUILTIN_NAME, BUILTIN_DISPLAY_TYPE = "内置审批服务", "INVISIBLE"
"""The name and the display type by which the server itself finds the ``fast_approval`` service."""
DISPLAY_TYPE = "API"
"""The display type of services that are shown to APIs. Only these are searched for a display role."""
_NAMES_LISTED = 20


@attrs.frozen(kw_only=True)
class ItsmService(Service):
    """A service of BK-ITSM.

    Attributes:
        service_type: The server's word for the service's kind, e.g. ``request``.
        description: The description that the service's owner wrote.
    """

    service_type: str = ""
    description: str = ""


@attrs.define
class _Memory:
    """The services that were found, each with its time of expiry. Each tuple is replaced as a whole, for threads."""

    service: tuple[str, float] | None = None
    builtin: tuple[str, float] | None = None


class ServiceFinder:
    """A finder of the service with which tickets are filed.

    Args:
        client: Calls the gateway.
        settings: Name the service by number, name or display role, or choose the built-in one.
        choose: Returns the number of the service at each filing, or None to leave the choice to the settings; for a
            host's feature toggle.
        elapsed: A monotonic clock, in seconds.

    Raises:
        SettingsError: Both ``choose`` and the built-in service are configured.
    """

    def __init__(
        self, client: RoutedClient, settings: Settings, *, choose: ChooseService | None, elapsed: Callable[[], float]
    ) -> None:
        if choose is not None and settings.fast_approval:
            raise SettingsError(
                "fast_approval cannot be combined with a function that chooses the service, since the two need "
                "different forms: remove one of them"
            )
        self._client = client
        self._settings = settings
        self._choose = choose
        self._elapsed = elapsed
        self._memory = _Memory()

    def by(self, client: RoutedClient) -> Self:
        """Return a copy that shares the cache and calls the gateway by another client."""
        other = copy.copy(self)
        other._client = client  # noqa: SLF001 - a copy of this very class
        return other

    def current(self) -> str:
        """Return the number of the service with which tickets are filed now, or ``fast_approval``.

        Raises:
            ServiceNotFound: No service is configured, or not exactly one is found.
            GatewayError: The service could not be looked up.
            Exception: Any exception that ``choose`` raises, unchanged.
        """
        settings = self._settings
        chosen = self._chosen() or settings.service_id
        if chosen:
            return chosen
        if settings.fast_approval:
            return FAST_APPROVAL
        if not (settings.service_name or settings.service_role):
            raise ServiceNotFound(
                "no service is configured: set BKAPP_ITSM_SERVICE_ID, BKAPP_ITSM_SERVICE_NAME, "
                "BKAPP_ITSM_SERVICE_ROLE or BKAPP_ITSM_FAST_APPROVAL=true"
            )
        now, remembered = self._elapsed(), self._memory.service
        if remembered is not None and now < remembered[1]:
            return remembered[0]
        found = self._look_up()
        self._memory.service = (found, now + REMEMBERED)
        return found

    def forget(self) -> None:
        """Look up the service again at the next filing, since the one that was found may have been removed."""
        self._memory.service = None

    def builtin(self) -> tuple[str, str]:
        """Return the number of the ``fast_approval`` service, or an empty string and the reason why it is not known."""
        now, remembered = self._elapsed(), self._memory.builtin
        if remembered is not None and now < remembered[1]:
            return remembered[0], ""
        try:
            listed = self.listed(display_type=BUILTIN_DISPLAY_TYPE)
        except GatewayError as error:
            return "", f"the built-in service could not be looked up: {describe(error)}"
        number, problem = number_of_builtin([service.id for service in listed if service.name == BUILTIN_NAME])
        if number:
            self._memory.builtin = (number, now + REMEMBERED)
        return number, problem

    def listed(self, **filters: str) -> Sequence[ItsmService]:
        """Return the services that match every filter; an empty filter is ignored.

        Raises:
            GatewayError: The gateway could not be asked.
        """
        asked: Mapping[str, object] = {name: value for name, value in filters.items() if value}
        return [
            ItsmService(
                id=str(row.id),
                name=row.name,
                service_type=row.service_type if isinstance(row.service_type, str) else "",
                description=row.desc if isinstance(row.desc, str) else "",
            )
            for row in self._client.call(GET_SERVICES, asked)
        ]

    def _chosen(self) -> str:
        number = None if self._choose is None else self._choose()
        if number is None or number == "":
            return ""
        text = str(number)
        if isinstance(number, bool) or not (text.isascii() and text.isdigit()):
            raise ServiceNotFound(
                f"the function that chooses the service returned {clean(repr(number), limit=80)}: it must return the "
                "number of a service, or None to leave the choice to the settings"
            )
        return "" if int(text) == 0 else text  # the log platform writes 0 if no service is configured

    def _look_up(self) -> str:
        name, role = self._settings.service_name, self._settings.service_role
        filters = {"display_role": role, "display_type": DISPLAY_TYPE} if role else {}
        listed = self.listed(**filters)
        matches = [service.id for service in listed if not name or service.name == name]
        if len(matches) == 1:
            return matches[0]
        wanted = " and ".join(
            [*([f"are named {name!r}"] if name else []), *([f"have the display role {role!r}"] if role else [])]
        )
        listed_names = sorted({clean(service.name, limit=40) for service in listed})[:_NAMES_LISTED]
        raise ServiceNotFound(
            f"{len(matches)} services {wanted}, but exactly one is needed: set BKAPP_ITSM_SERVICE_ID, or correct the "
            f"name or role in the service's own settings; the gateway lists: {', '.join(listed_names) or 'none'}"
        )


def number_of_builtin(found: Sequence[str]) -> tuple[str, str]:
    """Return the number of the only service with the built-in one's name, or an empty string and the reason."""
    if len(found) == 1:
        return found[0], ""
    return "", f"{len(found)} services are named {BUILTIN_NAME}, so the built-in one is not known"

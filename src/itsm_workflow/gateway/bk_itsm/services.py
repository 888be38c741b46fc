"""Which BK-ITSM service tickets are filed with: told, chosen by the host at each filing, or looked up.

A number differs from install to install. So a service may also go by its name, or by the display role that its owner
gave it, among the services that are shown to APIs; what was found is remembered for a while, a failure never.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Self

import attrs

from itsm_workflow.bkapi.envelope import clean
from itsm_workflow.errors import GatewayError, ServiceNotFound, SettingsError, describe
from itsm_workflow.gateway.bk_itsm.form import FAST_APPROVAL
from itsm_workflow.gateway.bk_itsm.wire import GET_SERVICES
from itsm_workflow.gateway.protocol import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow.gateway.bk_itsm.routes import RoutedClient
    from itsm_workflow.settings import Settings

    ChooseService = Callable[[], str | int | None]

REMEMBERED = 300.0
"""Seconds that a service which was looked up is used without asking again."""
BUILTIN_NAME, BUILTIN_DISPLAY_TYPE = "内置审批服务", "INVISIBLE"
"""How the server itself finds the service that ``fast_approval`` stands for."""
DISPLAY_TYPE = "API"
"""Only services that are shown to APIs are looked through for a display role."""
_NAMES_TOLD = 20


@attrs.frozen(kw_only=True)
class ItsmService(Service):
    """A service of BK-ITSM.

    Attributes:
        service_type: The server's word for its kind, e.g. ``request``.
        description: What its owner wrote.
    """

    service_type: str = ""
    description: str = ""


@attrs.define
class _Memory:
    """The services that were looked up, each with the time until which it counts; replaced as a whole, for threads."""

    service: tuple[str, float] | None = None
    builtin: tuple[str, float] | None = None


class ServiceFinder:
    """Finds the service to file with.

    Args:
        client: Calls the gateway.
        settings: The service by number, name or display role, or the built-in one.
        choose: Returns the number of the service at each filing, or None to leave it to the settings; for a host's
            feature toggle.
        elapsed: Seconds that never go back.

    Raises:
        SettingsError: ``choose`` is given, and the built-in service as well.
    """

    def __init__(
        self, client: RoutedClient, settings: Settings, *, choose: ChooseService | None, elapsed: Callable[[], float]
    ) -> None:
        if choose is not None and settings.fast_approval:
            raise SettingsError(
                "fast_approval cannot be on when a function chooses the service: the two want different forms"
            )
        self._client = client
        self._settings = settings
        self._choose = choose
        self._elapsed = elapsed
        self._memory = _Memory()

    def by(self, client: RoutedClient) -> Self:
        """Return the same finder, with the same memory, that asks by another client."""
        other = copy.copy(self)
        other._client = client  # noqa: SLF001 - a copy of this very class
        return other

    def current(self) -> str:
        """Return the number of the service to file with now, or ``fast_approval``.

        Raises:
            ServiceNotFound: None is configured, or not exactly one is found.
            GatewayError: It could not be looked up.
            Exception: What ``choose`` raised, as it is.
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
        """Look the service up again at the next filing: the one that was found may be gone."""
        self._memory.service = None

    def builtin(self) -> tuple[str, str]:
        """Return the number of the service that ``fast_approval`` stands for; an empty text and why it is not known."""
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
        """Return the services that match every filter; an empty one is none.

        Raises:
            GatewayError: It could not be asked.
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
        return "" if int(text) == 0 else text  # the log platform's word for none

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
        told = sorted({clean(service.name, limit=40) for service in listed})[:_NAMES_TOLD]
        raise ServiceNotFound(
            f"{len(matches)} services {wanted}, one is needed: set BKAPP_ITSM_SERVICE_ID, or correct the name or role "
            f"in the service's own settings; the gateway lists: {', '.join(told) or 'none'}"
        )


def number_of_builtin(found: Sequence[str]) -> tuple[str, str]:
    """Return the one number among those of the services with the built-in one's name, or an empty text and why."""
    if len(found) == 1:
        return found[0], ""
    return "", f"{len(found)} services are named {BUILTIN_NAME}, so that the built-in one is not known"

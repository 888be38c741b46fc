"""The routes to BK-ITSM: the method and path of each endpoint, by the kind of gateway.

The server itself accepts only GET for half of its endpoints. An ESB may be configured to accept only POST for all of
them, and older platforms have component paths. One setting selects the route of all endpoints.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

import attrs

from itsm_workflow.bkapi.context import BACKGROUND
from itsm_workflow.bkapi.prepare import copied, fill_identity_and_app, resolve
from itsm_workflow.errors import SettingsError
from itsm_workflow.gateway.bk_itsm.wire import ENDPOINTS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from itsm_workflow.bkapi.breaker import Resting
    from itsm_workflow.bkapi.client import ApiClient
    from itsm_workflow.bkapi.context import RequestContext
    from itsm_workflow.bkapi.endpoint import Endpoint
    from itsm_workflow.bkapi.response import Reply
    from itsm_workflow.budget import Budget
    from itsm_workflow.errors import GatewayRefused
    from itsm_workflow.settings import Settings

T = TypeVar("T")

FORMS = ("v2", "esb", "component")
_COMPONENTS = "/api/c/compapi"


@attrs.frozen
class Routes:
    """The method and path of BK-ITSM's endpoints.

    Attributes:
        form: ``v2``: the server's own methods, on the gateway root. ``esb``: only POST, on the gateway root, with the
            parameters that identify the caller to an ESB. ``component``: the server's own methods and the same
            parameters, on the ESB's ``/api/c/compapi{version}/itsm/``.
        version: The version in the component paths, e.g. ``v2``; empty for paths without a version.
    """

    form: str = "v2"
    version: str = attrs.field(default="v2", kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the form.

        Raises:
            SettingsError: The form is unknown.
        """
        if self.form not in FORMS:
            raise SettingsError(f"unknown routes {self.form!r}: choose one of {', '.join(FORMS)}")

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the routes that the settings select."""
        return cls(settings.routes, version=settings.component_version)

    def lead(self, endpoint: Endpoint[T], gateway_url: str) -> Endpoint[T]:
        """Return the endpoint with the method and path of these routes.

        Args:
            endpoint: The endpoint, with the server's own method and a path below the gateway root.
            gateway_url: The gateway root. Component paths use only the address of the ESB from it: the part before
                ``/api/c/compapi``, or else the host.
        """
        if self.form == "v2":
            return endpoint
        if self.form == "esb":
            return attrs.evolve(endpoint, method="POST", before_request=fill_identity_and_app)
        version = f"/{self.version}" if self.version else ""
        address = f"{_esb(gateway_url)}{_COMPONENTS}{version}/itsm/{endpoint.url}"
        return attrs.evolve(endpoint, url=address, before_request=fill_identity_and_app)


def _esb(gateway_url: str) -> str:
    before, found, _ = gateway_url.partition(_COMPONENTS)
    if found:
        return before
    parts = urlsplit(gateway_url)
    return f"{parts.scheme}://{parts.netloc}"


class RoutedClient:
    """A client that calls BK-ITSM's endpoints by the selected routes.

    Args:
        client: Calls the gateway.
        routes: The method and path of each endpoint.
    """

    def __init__(self, client: ApiClient, routes: Routes) -> None:
        self._client = client
        self._budget: Budget | None = None
        self._led: Mapping[str, Endpoint[Any]] = {
            endpoint.name: routes.lead(endpoint, client.settings.gateway_url) for endpoint in ENDPOINTS
        }

    def within(self, budget: Budget) -> Self:
        """Return the same client, with all its calls bounded by one budget."""
        bounded = copy.copy(self)
        bounded._budget = budget  # noqa: SLF001 - a copy of this very class
        return bounded

    def resting(self, endpoint: Endpoint[Any]) -> Resting | None:
        """Return the reason why a call of the endpoint would not be sent now; see `ApiClient.resting`."""
        return self._client.resting(self._lead(endpoint))

    def time(self) -> dt.datetime | None:
        """Return the gateway's own time by its last answer; None before the first answer."""
        return self._client.server_time.now()

    def call(self, endpoint: Endpoint[T], params: Mapping[str, object], *, context: RequestContext = BACKGROUND) -> T:
        """Call an endpoint and return its data; see `ApiClient.call`."""
        return self._client.call(self._lead(endpoint), params, context=context, budget=self._budget)

    def exchange(
        self, endpoint: Endpoint[T], params: Mapping[str, object], *, context: RequestContext = BACKGROUND
    ) -> Reply[T] | GatewayRefused:
        """Call an endpoint; a refusal is returned, not raised; see `ApiClient.exchange`."""
        return self._client.exchange(self._lead(endpoint), params, context=context, budget=self._budget)

    def preview(
        self, endpoint: Endpoint[Any], params: Mapping[str, object], *, context: RequestContext
    ) -> Mapping[str, object]:
        """Return the parameters as a call would send them. Nothing is sent."""
        led = self._lead(endpoint)
        if led.before_request is None:
            return params
        call = resolve(led, self._client.settings, context, params, tenant="", request_id="")
        return led.before_request(copied(dict(params)), call)

    def close(self) -> None:
        """Close the kept connections."""
        self._client.close()

    def _lead(self, endpoint: Endpoint[T]) -> Endpoint[T]:
        return self._led[endpoint.name]

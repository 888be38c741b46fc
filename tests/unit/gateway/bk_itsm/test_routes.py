"""Where each endpoint is by each of the three ways, and what travels there."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import attrs
import pytest

from itsm_workflow.bkapi.context import RequestContext
from itsm_workflow.bkapi.prepare import fill_identity_and_app
from itsm_workflow.errors import GatewayRefused, SettingsError
from itsm_workflow.gateway.bk_itsm.routes import FORMS, RoutedClient, Routes
from itsm_workflow.gateway.bk_itsm.wire import CREATE_TICKET, ENDPOINTS, GET_SERVICES, GET_TICKET_INFO
from itsm_workflow.secrets import Secret
from tests.support.gateways import APP_SECRET, create_request, settings, ticket
from tests.support.scripted import asked, refusal, scripted_client, scripted_gateway, success

ROOT = "https://bkapi.example.com/api/bk-itsm/prod/v2/itsm/"
REAL = {  # the server's own, as recorded
    "create_ticket": ("POST", "create_ticket/"),
    "operate_ticket": ("POST", "operate_ticket/"),
    "get_tickets": ("POST", "get_tickets/"),
    "ticket_approval_result": ("POST", "ticket_approval_result/"),
    "token_verify": ("POST", "token/verify/"),
    "get_ticket_info": ("GET", "get_ticket_info/"),
    "get_ticket_status": ("GET", "get_ticket_status/"),
    "get_ticket_logs": ("GET", "get_ticket_logs/"),
    "callback_failed_ticket": ("GET", "callback_failed_ticket/"),
    "get_services": ("GET", "get_services/"),
    "get_service_detail": ("GET", "get_service_detail/"),
}
COMMON = {"bk_username", "operator", "uin", "appenv", "blueking_language", "app_code", "bk_app_code"}


def by(routes: Routes, root: str = ROOT) -> dict[str, tuple[str, str]]:
    """Return method and address of each endpoint."""
    led = [routes.lead(endpoint, root) for endpoint in ENDPOINTS]
    return {endpoint.name: (endpoint.method, endpoint.url) for endpoint in led}


class TestLeading:
    """One value switches all endpoints."""

    def test_the_servers_own_methods(self) -> None:
        """Six by GET, the others by POST, on the gateway root; the endpoints are as they are defined."""
        assert by(Routes()) == REAL
        assert [Routes().lead(endpoint, ROOT) for endpoint in ENDPOINTS] == list(ENDPOINTS)

    def test_the_default_is_the_server_itself(self) -> None:
        """In its version 2; the version is passed by its name."""
        assert Routes() == Routes("v2", version="v2")
        with pytest.raises(TypeError):
            Routes("v2", "v2")  # type: ignore[call-arg]  # the point of it

    def test_post_alone(self) -> None:
        """The same paths."""
        assert by(Routes("esb")) == {name: ("POST", path) for name, (_, path) in REAL.items()}

    @pytest.mark.parametrize(
        ("version", "root", "start"),
        [
            ("v2", "https://paas.example.com/v2/itsm/", "https://paas.example.com/api/c/compapi/v2/itsm/"),
            ("", "https://paas.example.com/", "https://paas.example.com/api/c/compapi/itsm/"),
            ("v3", "http://127.0.0.1:8901/x/", "http://127.0.0.1:8901/api/c/compapi/v3/itsm/"),
            (
                "v2",
                "https://e.com/esb/api/c/compapi/v9/itsm/",  # an ESB below a path stays there
                "https://e.com/esb/api/c/compapi/v2/itsm/",
            ),
        ],
    )
    def test_component_paths(self, version: str, root: str, start: str) -> None:
        """The server's own methods, on the ESB of the root's host."""
        found = by(Routes("component", version=version), root)

        assert found == {name: (method, start + path) for name, (method, path) in REAL.items()}

    @pytest.mark.parametrize("form", FORMS)
    def test_what_an_endpoint_promises_stays(self, form: str) -> None:
        """Whether it may be repeated, on which connection it goes, what it answers: no way changes that."""
        for endpoint in ENDPOINTS:
            led = Routes(form).lead(endpoint, ROOT)
            before = None if form == "v2" else fill_identity_and_app
            assert attrs.evolve(led, method=endpoint.method, url=endpoint.url, before_request=None) == endpoint
            assert led.before_request is before

    def test_a_form_that_there_is_none_of(self) -> None:
        """It is told with those that there are."""
        with pytest.raises(SettingsError, match=r"'v3'.*v2, esb, component"):
            Routes("v3")

    @pytest.mark.parametrize("form", FORMS)
    def test_as_the_settings_say(self, form: str) -> None:
        """Form and version."""
        assert Routes.of(settings(ROOT, routes=form, component_version="v3")) == Routes(form, version="v3")


class TestTravelling:
    """What a request carries by each way."""

    @pytest.mark.parametrize("form", FORMS)
    def test_the_parameters_of_a_read(self, form: str) -> None:
        """In the query of a GET, in the body of a POST; with the caller's own parameters where an ESB wants them."""
        gateway, transport = scripted_gateway(lambda _: success([]), routes=form, environment="stag")

        gateway.get_services(display_role="LOG_SEARCH")
        (request,) = transport.requests
        sent = asked(request)
        extra = set(sent) - {"display_role"}

        assert sent["display_role"] == "LOG_SEARCH"
        assert ("display_role" in urlsplit(request.url).query) is (form != "esb")
        assert request.method == ("POST" if form == "esb" else "GET")
        assert (request.body is None) is (form != "esb")
        assert COMMON & extra == (set() if form == "v2" else COMMON)
        if form != "v2":
            assert (sent["bk_username"], sent["uin"], sent["appenv"], sent["app_code"]) == (
                "admin",
                "admin",
                "stag",
                "bk_flow",
            )

    @pytest.mark.parametrize("form", FORMS)
    def test_a_creation_names_its_people(self, form: str) -> None:
        """The API account calls, the creator operates, whatever the way."""
        gateway, transport = scripted_gateway(lambda _: refusal(3900004), routes=form)

        gateway.create(create_request())
        sent = asked(transport.requests[0])

        assert (sent["bk_username"], sent["operator"], sent["creator"]) == ("admin", "alice", "alice")
        assert transport.requests[0].fresh

    @pytest.mark.parametrize("form", FORMS)
    def test_the_app_secret_stays_in_the_headers(self, form: str) -> None:
        """It is in no address and no body, where servers in between would log it."""
        gateway, transport = scripted_gateway(lambda _: refusal(3900004), routes=form)

        gateway.create(create_request())
        for ask in (gateway.services, gateway.undelivered, lambda: gateway.read(ticket())):
            with pytest.raises(GatewayRefused):
                ask()

        assert {"create_ticket", "get_services", "callback_failed_ticket", "get_ticket_info"} <= {
            request.endpoint for request in transport.requests
        }
        for request in transport.requests:
            assert APP_SECRET not in request.url
            assert APP_SECRET.encode() not in (request.body or b"")

    @pytest.mark.parametrize("form", FORMS)
    def test_the_preview_is_the_body(self, form: str) -> None:
        """Key by key, but for the callback, whose credential shows as stars, and the id of the call."""
        gateway, transport = scripted_gateway(lambda _: refusal(3900004), routes=form)

        told = dict(gateway.preview(create_request()))
        gateway.create(create_request())
        sent = json.loads(transport.requests[0].body or b"")

        assert told.pop("meta") != sent.pop("meta")
        assert told == sent

    def test_a_login_travels_in_no_query(self) -> None:
        """A person's session is for a body only."""
        client, transport = scripted_client(lambda _: success([]))
        person = RequestContext(user="alice", bk_token=Secret("canary-session"))

        for form in FORMS:
            RoutedClient(client, Routes(form)).call(GET_SERVICES, {}, context=person)

        assert all("canary" not in request.url for request in transport.requests)
        assert [b"canary" in (request.body or b"") for request in transport.requests] == [False, True, False]

    def test_parameters_are_not_changed(self) -> None:
        """What is filled in goes into a copy."""
        client, _ = scripted_client(lambda _: refusal(3900022))
        given = {"sn": "REQ20261125000007"}

        RoutedClient(client, Routes("esb")).exchange(GET_TICKET_INFO, given)
        RoutedClient(client, Routes("esb")).preview(CREATE_TICKET, given, context=RequestContext())

        assert given == {"sn": "REQ20261125000007"}

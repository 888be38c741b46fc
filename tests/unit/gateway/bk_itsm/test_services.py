"""Which service a ticket is filed with, and how long one that was looked up is used."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.errors import GatewayRefused, ServiceNotFound, SettingsError
from itsm_workflow.gateway.bk_itsm.services import BUILTIN_NAME, REMEMBERED, ItsmService, number_of_builtin
from itsm_workflow.gateway.protocol import Refused, Unknown
from itsm_workflow.testing.manual_clock import ManualClock
from tests.support.defaults import set_defaults
from tests.support.gateways import create_request
from tests.support.scripted import asked, refusal, scripted_gateway, success

if TYPE_CHECKING:
    from itsm_workflow.bkapi.transport import HttpRequest
    from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway
    from tests.support.scripted import ScriptedTransport

ROW = {"id": 21, "name": "日志采集接入", "service_type": "request", "desc": "for collectors"}
OTHER = {"id": 22, "name": "another", "service_type": "request", "desc": ""}


class Catalogue:
    """Lists services, and refuses tickets by a code of the ticket system's."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = list(rows)
        self.code: int | str = 3900004
        self.down = False

    def __call__(self, request: HttpRequest) -> bytes:
        """Answer."""
        if request.endpoint == "create_ticket" or self.down:
            return refusal(self.code)
        return success(self.rows)


def looking_up(
    catalogue: Catalogue, clock: ManualClock | None = None, **given: Any
) -> tuple[BkItsmGateway, ScriptedTransport]:
    """Return an adapter that looks its service up by the log platform's display role."""
    chosen = {"fast_approval": False, "service_role": "LOG_SEARCH", **given}
    return scripted_gateway(catalogue, clock=clock or ManualClock(), **chosen)


def lookups(transport: ScriptedTransport) -> int:
    """Return how often the services were listed."""
    return sum(request.endpoint == "get_services" for request in transport.requests)


class TestTold:
    """By the settings or by the host."""

    def test_the_number_asks_nobody(self) -> None:
        """It is used as it is."""
        itsm, transport = looking_up(Catalogue(), service_id="5", service_role="")

        assert (itsm.service(), transport.requests) == ("5", [])

    @pytest.mark.parametrize(
        ("answer", "service"), [("7", "7"), (7, "7"), (None, "5"), ("", "5"), (0, "5"), ("0", "5")]
    )
    def test_a_function_beats_the_number(self, answer: str | int | None, service: str) -> None:
        """None and 0 leave it to the settings."""
        itsm, _ = scripted_gateway(Catalogue(), service=lambda: answer, service_id="5")

        assert itsm.service() == service

    def test_a_function_is_asked_at_each_filing(self) -> None:
        """A feature toggle that is switched counts at once."""
        answers = iter(["7", "8", None])
        itsm, _ = scripted_gateway(Catalogue(), service=lambda: next(answers), service_id="5")

        assert [itsm.service() for _ in range(3)] == ["7", "8", "5"]

    @pytest.mark.parametrize("answer", ["seven", "-1", "1.0", "\uff17", True, 7.0, [7], "7 "])
    def test_a_function_that_returns_no_number(self, answer: Any) -> None:  # noqa: ANN401 - a case
        """Nothing is guessed, and nothing else is filed with instead."""
        itsm, _ = scripted_gateway(Catalogue(), service=lambda: answer, service_id="5")

        with pytest.raises(ServiceNotFound, match="must return the number of a service"):
            itsm.service()

    def test_what_a_function_returns_is_not_shown_whole(self) -> None:
        """It may return anything."""
        itsm, _ = scripted_gateway(Catalogue(), service=lambda: "x" * 9999, fast_approval=False)
        with pytest.raises(ServiceNotFound) as caught:
            itsm.service()

        assert 70 < max(map(len, re.findall("x+", str(caught.value)))) < 80

    def test_what_a_function_raises_comes_through(self) -> None:
        """It is the host's own error."""

        def choose() -> str:
            raise LookupError("the toggles are away")

        itsm, _ = scripted_gateway(Catalogue(), service=choose, service_id="5")

        with pytest.raises(LookupError, match="the toggles are away"):
            itsm.service()

    def test_a_function_and_the_built_in_service_exclude_each_other(self) -> None:
        """The two want different forms, which is checked before the service is known."""
        with pytest.raises(SettingsError, match="fast_approval"):
            scripted_gateway(Catalogue(), service=lambda: "7", fast_approval=True)

    def test_a_function_that_leaves_it_open_falls_back_to_the_lookup(self) -> None:
        """Number, function, role: in that order."""
        itsm, transport = scripted_gateway(
            Catalogue(ROW), service=lambda: None, fast_approval=False, service_role="LOG_SEARCH"
        )

        assert (itsm.service(), lookups(transport)) == ("21", 1)

    def test_nothing_says_it(self) -> None:
        """The error names each setting that could; its code is the log platform's."""
        itsm, _ = looking_up(Catalogue(ROW), service_role="")

        with pytest.raises(
            ServiceNotFound, match=r"_SERVICE_ID.*_SERVICE_NAME.*_SERVICE_ROLE.*_FAST_APPROVAL"
        ) as caught:
            itsm.service()
        assert caught.value.platform_code == 503


class TestLookedUp:
    """By display role, by name, or by both."""

    def test_by_role_among_those_that_apis_may_use(self) -> None:
        """The gateway does the filtering."""
        itsm, transport = looking_up(Catalogue(ROW))
        service, (request,) = itsm.service(), transport.requests
        sent = asked(request)

        assert (service, sent["display_role"], sent["display_type"]) == ("21", "LOG_SEARCH", "API")

    def test_by_name_among_all(self) -> None:
        """The gateway has no filter for names."""
        itsm, transport = looking_up(Catalogue(OTHER, ROW), service_role="", service_name="日志采集接入")
        service, (request,) = itsm.service(), transport.requests

        assert (service, {"display_role", "display_type"} & set(asked(request))) == ("21", set())

    def test_by_both(self) -> None:
        """The role is the gateway's filter, the name chooses among what it left."""
        assert looking_up(Catalogue(OTHER, ROW), service_name="another")[0].service() == "22"

    @pytest.mark.parametrize("rows", [[], [ROW, OTHER], [ROW, ROW]])
    def test_exactly_one_must_be_found(self, rows: list[dict[str, Any]]) -> None:
        """None is an error, and so are two: the first of them would be a guess."""
        itsm, _ = looking_up(Catalogue(*rows))

        with pytest.raises(ServiceNotFound, match=rf"^{len(rows)} services have the display role 'LOG_SEARCH'"):
            itsm.service()

    def test_the_error_tells_what_there_is(self) -> None:
        """A few names, cut and made harmless: they are foreign text."""
        many = [{**OTHER, "id": number, "name": f"\x1b[2Jname {number:03} " + "x" * 99} for number in range(1, 99)]
        itsm, _ = looking_up(Catalogue(*many), service_name="wanted")

        with pytest.raises(ServiceNotFound, match=r"named 'wanted' and have the display role 'LOG_SEARCH'") as caught:
            itsm.service()
        assert (str(caught.value).count("name 0"), "\x1b" in str(caught.value)) == (20, False)
        assert max(map(len, re.findall("name [0-9]+ x+", str(caught.value)))) < 40

    def test_it_is_remembered_for_300_seconds(self) -> None:
        """One look-up serves all filings of that time, and no filing after it."""
        catalogue, clock = Catalogue(ROW), ManualClock()
        itsm, transport = looking_up(catalogue, clock)
        assert (itsm.service(), REMEMBERED) == ("21", 300.0)
        catalogue.rows = [OTHER]

        clock.advance(299.999)
        assert (itsm.service(), lookups(transport)) == ("21", 1)
        clock.advance(0.001)
        assert (itsm.service(), lookups(transport)) == ("22", 2)
        clock.advance(299.999)
        assert (itsm.service(), lookups(transport)) == ("22", 2)

    def test_the_wall_clock_does_not_count(self) -> None:
        """Turned forward or back, it forgets nothing and keeps nothing longer."""
        clock = ManualClock()
        itsm, transport = looking_up(Catalogue(ROW), clock)
        itsm.service()

        for year in (1999, 2099):
            clock.set_wall(clock.peek().replace(year=year))
            itsm.service()
        assert lookups(transport) == 1

    def test_a_failure_is_never_remembered(self) -> None:
        """Neither that nothing was found, nor that the gateway was away."""
        catalogue = Catalogue()
        itsm, transport = looking_up(catalogue)
        with pytest.raises(ServiceNotFound):
            itsm.service()
        catalogue.down = True
        with pytest.raises(GatewayRefused):
            itsm.service()
        catalogue.down, catalogue.rows = False, [ROW]

        assert (itsm.service(), lookups(transport)) == ("21", 3)

    @pytest.mark.parametrize(("code", "answer"), [(3900404, Refused), ("METHOD_NOT_ALLOWED", Unknown)])
    def test_a_refused_ticket_makes_it_look_again(self, code: int | str, answer: type) -> None:
        """The service may be gone; nobody waits five minutes for that."""
        catalogue = Catalogue(ROW)
        itsm, transport = looking_up(catalogue)
        itsm.service()
        catalogue.code, catalogue.rows = code, [OTHER]

        assert isinstance(itsm.create(create_request()), answer)
        assert (itsm.service(), lookups(transport)) == ("22", 2)


class TestListed:
    """The services that there are."""

    def test_with_what_their_owners_wrote(self) -> None:
        """Numbers are texts; what is no text is none."""
        itsm, _ = looking_up(Catalogue(ROW, {**OTHER, "service_type": None, "desc": 5}))
        first, second = itsm.services()

        assert (first.id, first.name, first.service_type, first.description) == (
            "21",
            "日志采集接入",
            "request",
            "for collectors",
        )
        assert (second.id, second.service_type, second.description) == ("22", "", "")

    def test_each_filter_travels_and_an_empty_one_does_not(self) -> None:
        """The server would read an empty filter as a wish."""
        itsm, transport = looking_up(Catalogue(ROW))
        wanted = {"display_role": "a", "display_type": "OPEN", "service_type": "request", "catalog_id": "11"}

        itsm.get_services(**wanted)
        itsm.get_services(display_type="API")

        sent = [{name: asked(request).get(name) for name in wanted} for request in transport.requests]
        assert sent == [wanted, {**dict.fromkeys(wanted), "display_type": "API"}]


def test_a_service_has_no_further_parts_by_default() -> None:
    """Only number and name must be given."""
    assert set_defaults(ItsmService, {"id": "1", "name": "n"}) == {}


@pytest.mark.parametrize(
    ("found", "number", "why"),
    [(["7"], "7", ""), ([], "", "0 services are named"), (["7", "8"], "", "2 services are named")],
)
def test_the_number_of_the_built_in_service(found: list[str], number: str, why: str) -> None:
    """The one of its name; else none, and why."""
    told = number_of_builtin(found)

    assert told[0] == number
    assert told[1].startswith(why) if why else not told[1]


class TestBuiltin:
    """The service that ``fast_approval`` stands for."""

    def test_it_is_remembered_for_a_while(self) -> None:
        """Each look-up compares with it, and it hardly ever changes."""
        clock = ManualClock()
        catalogue = Catalogue({"id": 2, "name": BUILTIN_NAME})
        itsm, transport = scripted_gateway(catalogue, clock=clock)
        finder = itsm._services

        assert [finder.builtin() for _ in range(3)] == [("2", "")] * 3
        assert lookups(transport) == 1
        clock.advance(REMEMBERED - 1)
        catalogue.rows = [{"id": 3, "name": BUILTIN_NAME}]
        assert finder.builtin() == ("2", "")
        clock.advance(1)
        assert (finder.builtin(), lookups(transport)) == (("3", ""), 2)

    def test_no_number_is_given_while_it_cannot_be_looked_up(self) -> None:
        """Only why; it is looked up again the next time."""
        itsm, transport = scripted_gateway(lambda _: refusal(3900022))
        finder = itsm._services

        for _ in range(2):
            number, problem = finder.builtin()
            assert number == ""
            assert problem.startswith("the built-in service could not be looked up: GatewayRefused: get_services")
        assert lookups(transport) >= 2

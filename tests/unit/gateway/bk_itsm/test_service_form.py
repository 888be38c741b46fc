"""A form held against the list of fields that its service has: what is told, and what a list that is not shown does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.bkapi.transport import HttpResponse
from itsm_workflow.budget import Budget
from itsm_workflow.change import Form
from itsm_workflow.gateway.bk_itsm.form import FAST_APPROVAL
from itsm_workflow.gateway.bk_itsm.service_form import NOT_SHOWN_AGAIN
from itsm_workflow.gateway.bk_itsm.services import REMEMBERED
from itsm_workflow.gateway.protocol import Refused, SupportsServiceForm
from itsm_workflow.testing.manual_clock import ManualClock
from tests.support.gateways import attempt, create_request
from tests.support.scripted import asked, refusal, scripted_gateway, success

if TYPE_CHECKING:
    from itsm_workflow.bkapi.transport import HttpRequest
    from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway
    from tests.support.scripted import ScriptedTransport

TREE = [{"id": 1, "name": "one", "children": [{"id": 2, "name": "two", "children": []}]}, "no row"]
YES_NO = [{"key": "true", "name": "通过"}, {"key": "false", "name": "拒绝"}]


def field(key: str, kind: str = "STRING", *, required: bool = False, **more: Any) -> dict[str, Any]:
    """Return a field as the server shows it."""
    told = {"key": key, "type": kind, "name": f"名{key}", "validate_type": "REQUIRE" if required else "OPTION"}
    return {**told, "choice": [], "source_type": "CUSTOM", "show_type": 1, **more}


class Services:
    """Shows the form of a service, or does not."""

    def __init__(self, *fields: dict[str, Any]) -> None:
        self.fields = [field("title", required=True), *fields]
        self.answer: bytes | HttpResponse | None = None

    def __call__(self, request: HttpRequest) -> bytes | HttpResponse:
        """Answer."""
        if request.endpoint == "create_ticket":
            return refusal(3900003)
        return self.answer or success({"name": "n", "fields": self.fields})


def serving(
    services: Services, clock: ManualClock | None = None, **given: Any
) -> tuple[BkItsmGateway, ScriptedTransport]:
    """Return an adapter whose service is number 5."""
    return scripted_gateway(services, clock=clock or ManualClock(), **{"service_id": "5", **given})


def form(approvers: tuple[str, ...] = (), content: str = "", **fields: object) -> Form:
    """Return a form of these fields."""
    return Form(title="t", applicant="alice", approvers=approvers, content=content, fields=fields)


def told(services: Services, given: Form, **settings: Any) -> list[tuple[str, str, str]]:
    """Return what is told of a form."""
    return list(serving(services, **settings)[0].check_service_form(given, "5"))


class TestRules:
    """What is forbidden, by field, value and rule."""

    def test_all_that_is_wrong_is_told_at_once(self) -> None:
        """A required field that is missing, one that there is none of, and a wrong value."""
        services = Services(field("bk_biz_id", "SELECT", required=True, name="关联业务"), field("size", "INT"))

        assert told(services, form(size="abc", extra=1)) == [
            ("fields.bk_biz_id", "", "must be given: the service 5 requires it (关联业务)"),
            ("fields.size", "'abc'", "must be a number, not other text (名size)"),
            (
                "fields.extra",
                "1",
                "needs the field extra, which the service 5 does not have: it has title, bk_biz_id, size",
            ),
        ]

    def test_a_form_that_fits(self) -> None:
        """Nothing is wrong; the title is always sent."""
        services = Services(field("size", "INT", required=True), field("why", required=True))

        assert told(services, form(size=5, why="because")) == []

    @pytest.mark.parametrize("value", [5, 0, -1, 2.5, "5", "2.5", "-3"])
    def test_a_number(self, value: object) -> None:
        """Or a text that the server's worker reads as one."""
        assert told(Services(field("size", "INT", required=True)), form(size=value)) == []

    @pytest.mark.parametrize(
        ("value", "kind"),
        [("abc", "other text"), (True, "true"), (False, "false"), ([1], "a list"), ({"a": 1}, "an object")],
    )
    def test_no_number(self, value: object, kind: str) -> None:
        """The server takes it with a success, and its worker dies of it."""
        ((place, _, rule),) = told(Services(field("size", "INT")), form(size=value))

        assert (place, rule) == ("fields.size", f"must be a number, not {kind} (名size)")

    @pytest.mark.parametrize("value", ["", None])
    @pytest.mark.parametrize("kind", ["STRING", "INT", "SELECT", "MULTISELECT", "MEMBERS"])
    def test_a_required_value_that_is_empty(self, kind: str, value: object) -> None:
        """It is told as empty, whatever else it is not."""
        ((place, _, rule),) = told(Services(field("why", kind, required=True, choice=YES_NO)), form(why=value))

        assert (place, rule) == ("fields.why", "must not be empty: the service requires it (名why)")

    def test_an_empty_value_that_may_be(self) -> None:
        """An optional one, and one that a condition hides; what is hidden must be there all the same."""
        services = Services(field("why"), field("size", "INT"), field("hidden", required=True, show_type=0))

        assert told(services, form(why="", size=None, hidden="")) == []
        assert [place for place, _, _ in told(services, form())] == ["fields.hidden"]

    @pytest.mark.parametrize("kind", ["SELECT", "RADIO"])
    @pytest.mark.parametrize(("value", "fits"), [("true", True), (True, False), ("yes", False), (None, False)])
    def test_one_choice(self, kind: str, value: object, *, fits: bool) -> None:
        """By the text of its key, as the server compares it."""
        found = told(Services(field("use", kind, choice=YES_NO)), form(use=value))

        assert [rule for _, _, rule in found] == ([] if fits else ["must be one of true (通过), false (拒绝) (名use)"])

    @pytest.mark.parametrize("kind", ["CHECKBOX", "MULTISELECT"])
    @pytest.mark.parametrize(
        ("value", "rule"),
        [
            ("true,false", ""),
            ("true,maybe", "must be some of true (通过), false (拒绝), joined by commas"),
            (["true"], "must be text, with commas between several values"),
            (None, "must be text, with commas between several values"),
        ],
    )
    def test_several_choices(self, kind: str, value: object, rule: str) -> None:
        """Joined by commas; the server fails at anything but text."""
        found = told(Services(field("use", kind, choice=YES_NO)), form(use=value))

        assert [told_rule for _, _, told_rule in found] == ([f"{rule} (名use)"] if rule else [])

    @pytest.mark.parametrize(("value", "fits"), [(1, True), ("2", True), (3, False)])
    def test_a_choice_from_a_tree(self, value: object, *, fits: bool) -> None:
        """Any branch of it, by its id."""
        assert (told(Services(field("use", "TREESELECT", choice=TREE)), form(use=value)) == []) is fits

    @pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999"])
    def test_what_is_no_amount_is_not_a_number(self, value: str) -> None:
        """The server's worker cannot count with it."""
        assert told(Services(field("size", "INT")), form(size=value)) != []

    @pytest.mark.parametrize(("levels", "read"), [(17, True), (18, False), (40, False)])
    def test_a_tree_that_is_too_deep_forbids_nothing(self, levels: int, *, read: bool) -> None:
        """What hangs below is not read, and may be what was chosen."""
        branch: dict[str, Any] = {"id": levels, "name": "the leaf", "children": []}
        for number in range(levels - 1, 0, -1):
            branch = {"id": number, "name": str(number), "children": [branch]}
        services = Services(field("use", "TREESELECT", choice=[branch]))

        assert told(services, form(use=levels)) == []
        assert (told(services, form(use="elsewhere")) != []) is read

    def test_a_tree_is_told_from_its_root(self) -> None:
        """What is no row, or has no rows below it, is passed over."""
        odd = [*TREE, {"id": 3, "name": "three", "children": 5}]
        ((_, _, rule),) = told(Services(field("use", "TREESELECT", choice=odd)), form(use="x"))

        assert rule == "must be one of 1 (one), 3 (three), 2 (two) (名use)"

    def test_choices_without_a_key_or_a_name(self) -> None:
        """The one cannot be chosen, the other is told by its key."""
        choices = ["no row", {"name": "no key"}, {"key": "a"}]
        ((_, _, rule),) = told(Services(field("use", "SELECT", choice=choices)), form(use="x"))

        assert rule == "must be one of a (名use)"

    def test_no_more_than_twenty_choices_are_told_and_no_text_of_theirs_in_full(self) -> None:
        """The list is another program's."""
        choices = [{"key": f"{number:02}" + "k" * 500, "name": "n" * 500} for number in range(30)]
        ((place, value, rule),) = told(
            Services(field("use", "SELECT", choice=choices, name="f" * 500)), form(use="v" * 500)
        )

        assert (place, len(value)) == ("fields.use", 80)
        assert rule.count(", ") == 19
        assert len(rule) == len("must be one of  ()") + 20 * 60 + 19 * 2 + 40

    def test_no_more_than_twenty_fields_are_told_and_no_text_of_theirs_in_full(self) -> None:
        """The same of what a service has."""
        services = Services(*(field(f"{number:02}" + "k" * 500) for number in range(30)))
        ((_, _, rule),) = told(services, form(extra=1))

        start = "needs the field extra, which the service 5 does not have: it has title, "
        assert len(rule) == len(start) + 19 * 40 + 18 * 2

    @pytest.mark.parametrize("source", ["API", "DATADICT", "RPC", "CUSTOM_API"])
    def test_choices_that_are_not_listed(self, source: str) -> None:
        """The server gets them elsewhere: any value passes, and so where the list is empty or is no list."""
        assert told(Services(field("use", "SELECT", source_type=source, choice=5)), form(use="x")) == []
        assert told(Services(field("use", "SELECT", source_type="", choice=YES_NO)), form(use="x")) != []
        assert told(Services(field("use", "SELECT", source_type=source, choice=YES_NO)), form(use="x")) == []
        assert told(Services(field("use", "SELECT")), form(use="x")) == []
        assert told(Services(field("use", "STRING", choice=YES_NO)), form(use="x")) == []

    def test_people_are_text(self) -> None:
        """A list of approvers is taken with a success, and nobody is asked."""
        services = Services(field("leader", "MEMBERS"))

        assert [rule for _, _, rule in told(services, form(leader=["bob"]))] == [
            "must be text, with commas between several values (名leader)"
        ]
        assert told(services, form(leader="bob,carol")) == []

    @pytest.mark.parametrize("kind", ["TABLE", "CUSTOMTABLE"])
    def test_a_table_without_rows(self, kind: str) -> None:
        """It is refused where it is required."""
        assert told(Services(field("rows", kind)), form(rows=[])) == []
        assert told(Services(field("rows", kind, required=True)), form(rows=[{"a": 1}])) == []
        assert [rule for _, _, rule in told(Services(field("rows", kind, required=True)), form(rows=[]))] == [
            "must not be empty: the service requires it (名rows)"
        ]

    def test_the_forms_own_parts_are_told_by_their_names(self) -> None:
        """Approvers and content go into fields that the settings name."""
        services = Services(field("who", "MEMBERS", required=True), field("why", required=True))
        named = {"approver_field": "who", "content_field": "why"}

        assert told(services, form(("bob",), "because"), **named) == []
        for wrong in (told(services, form(), **named), told(Services(), form(("bob",), "because"), **named)):
            assert [place for place, _, _ in wrong] == ["approvers", "content"]


class TestAsking:
    """When the list is asked for, and what happens when it does not come."""

    def test_it_is_remembered_for_a_while(self) -> None:
        """One read for every filing within five minutes, of each service."""
        clock = ManualClock()
        itsm, transport = serving(Services(field("why", required=True)), clock)
        assert isinstance(itsm, SupportsServiceForm)

        for _ in range(2):
            assert len(itsm.check_service_form(form(), "5")) == 1
        itsm.within(Budget(5, elapsed=clock.elapsed)).check_service_form(form(), "5")
        assert [asked(request)["service_id"] for request in transport.requests] == ["5"]
        itsm.check_service_form(form(), "6")
        clock.advance(REMEMBERED)
        itsm.check_service_form(form(), "5")
        assert [asked(request)["service_id"] for request in transport.requests] == ["5", "6", "5"]

    def test_a_form_that_a_remembered_list_forbids_has_it_asked_for_again(self) -> None:
        """Its owner may have changed the service; not within a minute of the last time."""
        clock = ManualClock()
        services = Services(field("why", required=True))
        itsm, transport = serving(services, clock)
        assert len(itsm.check_service_form(form(), "5")) == 1
        services.fields = [field("title")]
        clock.advance(NOT_SHOWN_AGAIN - 1)
        assert len(itsm.check_service_form(form(), "5")) == 1
        assert len(transport.requests) == 1
        clock.advance(1)
        assert itsm.check_service_form(form(), "5") == []
        assert len(transport.requests) == 2
        clock.advance(NOT_SHOWN_AGAIN + 1)
        assert itsm.check_service_form(form(), "5") == []
        assert len(transport.requests) == 2

    def test_a_list_without_a_field_forbids_nothing(self) -> None:
        """No form is without a title: such a list is not the service's."""
        services = Services()
        services.fields = []
        itsm, _ = serving(services)
        assert itsm.check_service_form(form(why="x"), "5") == []

    def test_a_ticket_that_is_refused_has_it_asked_for_again(self) -> None:
        """Its owner may have changed the form."""
        services = Services()
        itsm, transport = serving(services)
        assert itsm.check_service_form(form(), "77") == []
        services.fields.append(field("why", required=True))

        assert isinstance(itsm.create(create_request(attempt(service="77"))), Refused)

        assert len(itsm.check_service_form(form(), "77")) == 1
        assert [request.endpoint for request in transport.requests].count("get_service_detail") == 2

    def test_the_built_in_service_is_not_asked_for(self) -> None:
        """Its form is known."""
        itsm, transport = serving(Services(field("why", required=True)))

        assert itsm.check_service_form(form(), FAST_APPROVAL) == []
        assert transport.requests == []

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(refusal(1640401, "no such resource"), id="no such resource"),
            pytest.param(refusal(1640301, "no permission"), id="no permission"),
            pytest.param(refusal(3900404, "no such service"), id="no such service"),
            pytest.param(success({"name": "n"}), id="no fields"),
            pytest.param(success({"name": "n", "fields": [{"key": 5}]}), id="a field without a key"),
            pytest.param(b"<html>", id="a page"),
            pytest.param(HttpResponse(status=503, headers={}, body=b"", elapsed=0.0), id="absent"),
        ],
    )
    def test_a_list_that_is_not_shown_blocks_nothing(self, answer: bytes | HttpResponse) -> None:
        """Nor is it asked for at each filing; after a minute it is asked for again."""
        clock, services = ManualClock(), Services(field("why", required=True))
        services.answer = answer
        itsm, transport = serving(services, clock)

        assert [itsm.check_service_form(form(), "5") for _ in range(3)] == [[], [], []]
        assert len(transport.requests) == 1
        services.answer = None
        clock.advance(NOT_SHOWN_AGAIN)
        assert len(itsm.check_service_form(form(), "5")) == 1

    def test_nothing_is_asked_without_time(self) -> None:
        """That says nothing of the list: the next filing asks for it; what is remembered counts."""
        clock = ManualClock()
        itsm, transport = serving(Services(field("why", required=True)), clock)
        no_time = itsm.within(Budget(5, elapsed=clock.elapsed).part(0))

        assert no_time.check_service_form(form(), "5") == []
        assert transport.requests == []
        assert len(itsm.check_service_form(form(), "5")) == 1
        assert len(no_time.check_service_form(form(), "5")) == 1

"""Who a call is made for, and the body fields by which the platform's hooks say so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from itsm_workflow.bkapi.context import RequestContext
from itsm_workflow.bkapi.prepare import (
    CallFacts,
    as_backend,
    copied,
    fill_app,
    fill_identity,
    fill_identity_and_app,
    resolve,
)
from itsm_workflow.secrets import Secret
from tests.support.calls import desk, endpoint, settings

ALICE = RequestContext(user="alice", language="en", bk_token=Secret("t-1"), tenant="t1")


def facts(context: RequestContext = ALICE, **options: Any) -> CallFacts:
    """Return what is known of a call."""
    return resolve(endpoint(**options), settings(), context, {"bk_biz_id": 2}, tenant="", request_id="r-1")


def opened(params: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters with their login opened."""
    return {**params, "auth_info": json.loads(params["auth_info"].reveal())} if "auth_info" in params else params


class TestIdentity:
    """User, operator, login, language, environment."""

    def test_of_a_web_request(self) -> None:
        """The person who is logged in."""
        assert opened(fill_identity({"sn": "REQ1"}, facts())) == {
            "sn": "REQ1",
            "bk_username": "alice",
            "operator": "alice",
            "uin": "alice",
            "appenv": "prod",
            "blueking_language": "en",
            "auth_info": {"bk_token": "t-1"},
        }

    def test_of_a_background_task(self) -> None:
        """The user that the gateway knows us as; there is no login."""
        assert fill_identity({}, facts(RequestContext())) == {
            "bk_username": "admin",
            "operator": "admin",
            "uin": "admin",
            "appenv": "prod",
            "blueking_language": "zh-cn",
        }

    def test_of_a_task_that_a_person_s_request_started(self) -> None:
        """``no_request``: nothing of the person goes along."""
        passed = RequestContext(
            user="alice", operator="alice", no_request=True, bk_token=Secret("t"), logins={"uin": Secret("o1")}
        )

        assert fill_identity({}, facts(passed)) == fill_identity({}, facts(RequestContext()))

    def test_of_an_endpoint_for_the_superuser(self) -> None:
        """Whoever asks."""
        assert fill_identity({}, facts(use_superuser=True))["bk_username"] == "admin"
        assert "auth_info" not in fill_identity({}, facts(use_superuser=True))

    def test_what_the_caller_says_stays(self) -> None:
        """A create is made as one user on behalf of another."""
        filled = fill_identity({"bk_username": "admin", "operator": "bob", "auth_info": "{}"}, facts())

        assert (filled["bk_username"], filled["operator"], filled["uin"]) == ("admin", "bob", "admin")
        assert filled["auth_info"] == "{}"

    def test_a_login_by_ticket(self) -> None:
        """The other of the platform's two logins."""
        context = RequestContext(user="alice", bk_ticket=Secret("t-2"))

        assert opened(fill_identity({}, facts(context)))["auth_info"] == {"bk_ticket": "t-2"}

    def test_an_operator_that_is_somebody_else(self) -> None:
        """By the context."""
        assert fill_identity({}, facts(RequestContext(user="admin", operator="bob")))["operator"] == "bob"

    def test_a_login_is_sealed_and_stays_out_of_a_query(self) -> None:
        """Servers log addresses."""
        assert "t-1" not in repr(fill_identity({}, facts()))
        assert "auth_info" not in fill_identity({}, facts(method="GET"))

    @pytest.mark.parametrize(("uin", "sent"), [("o1234", "1234"), ("1234", "1234")])
    def test_a_hybrid_cloud_s_uin_goes_without_its_letter(self, uin: str, sent: str) -> None:
        """As the platform's hook does."""
        context = RequestContext(user="alice", logins={"uin": Secret(uin), "skey": Secret("s")})

        assert opened(fill_identity({}, facts(context)))["auth_info"] == {"uin": sent, "skey": "s"}


def test_the_application_goes_by_both_names_and_without_its_secret() -> None:
    """Its secret is a header's business."""
    assert fill_app({}, facts()) == {"app_code": "bk_flow", "bk_app_code": "bk_flow"}


def test_a_call_sends_what_the_hooks_filled_in() -> None:
    """Login opened, and only there."""
    with desk() as here:
        here.client.call(endpoint(before_request=fill_identity_and_app), {"sn": "REQ1"}, context=ALICE)

    body = here.last.json
    assert json.loads(body.pop("auth_info")) == {"bk_token": "t-1"}
    assert body == {
        "sn": "REQ1",
        "bk_username": "alice",
        "operator": "alice",
        "uin": "alice",
        "appenv": "prod",
        "blueking_language": "en",
        "app_code": "bk_flow",
        "bk_app_code": "bk_flow",
    }
    assert here.last.authorization["bk_username"] == "alice"
    assert here.last.headers["x-bk-app-code"] == "bk_flow"


def test_a_call_for_the_superuser_carries_no_login() -> None:
    """In no header either."""
    with desk() as here:
        here.client.call(endpoint(use_superuser=True), {}, context=ALICE)

    assert set(here.last.authorization) == {"bk_app_code", "bk_app_secret", "bk_username"}
    assert here.last.authorization["bk_username"] == "admin"
    assert here.last.headers["x-bk-tenant-id"] == "t1"


def test_the_backend_s_context_keeps_tenant_language_and_id() -> None:
    """They are not the person's; every name and every login is."""
    kept = RequestContext(tenant="t", language="en", request_id="r")
    person = RequestContext(
        tenant="t",
        language="en",
        request_id="r",
        user="alice",
        operator="bob",
        access_token=Secret("a"),
        bk_token=Secret("b"),
        bk_ticket=Secret("c"),
        logins={"uin": Secret("d")},
    )

    assert as_backend(person) == kept


def test_a_copy_can_be_changed() -> None:
    """At every depth that can be sent; other values are the same ones."""
    other = object()
    given: dict[str, Any] = {"a": [{"b": [1]}], "c": other}
    made = copied(given)
    made["a"][0]["b"].append(2)

    assert given == {"a": [{"b": [1]}], "c": other}
    assert made["c"] is other


def nested(levels: int) -> tuple[Any, Any]:
    """Return lists and mappings around a list, and that list."""
    innermost: list[Any] = []
    value: Any = innermost
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value, innermost


def innermost_of(value: Any) -> Any:  # noqa: ANN401 - as deep as it is
    """Return what is inside of all lists and mappings."""
    while value:
        value = value[0] if isinstance(value, list) else value["a"]
    return value


@pytest.mark.parametrize(("levels", "is_copied"), [(62, True), (63, True), (64, False), (65, False)])
def test_a_copy_ends_at_64_levels(levels: int, *, is_copied: bool) -> None:
    """Deeper ones are refused when they are sent."""
    value, innermost = nested(levels)

    assert (innermost_of(copied(value)) is not innermost) == is_copied


@pytest.mark.parametrize("value", [[], {}])
def test_a_copy_of_what_contains_itself_ends(value: list[Any] | dict[str, Any]) -> None:
    """It is refused when it is sent, with a sentence."""
    if isinstance(value, list):
        value.append(value)
    else:
        value["a"] = value

    assert copied(value) is not value

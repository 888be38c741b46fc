"""The headers that tell who calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from itsm_workflow.bkapi.context import BACKGROUND, NO_SECRET, RequestContext, headers
from itsm_workflow.secrets import Secret
from itsm_workflow.settings import Settings
from tests.support.defaults import set_defaults

SETTINGS = Settings(app_code="bk_flow", app_secret=Secret("canary"), gateway_url="https://e.com/", tenant="system")


def claims(context: RequestContext) -> object:
    """Return what the gateway's own header says."""
    header = headers(SETTINGS, context, "r")["X-Bkapi-Authorization"]
    assert isinstance(header, Secret)
    return json.loads(header.reveal())


def test_nobody_in_particular_is_the_api_user() -> None:
    """Background work names no person."""
    assert claims(BACKGROUND) == {"bk_app_code": "bk_flow", "bk_app_secret": "canary", "bk_username": "admin"}


def test_a_context_is_empty_by_default() -> None:
    """No person, no tenant, no login."""
    assert set_defaults(RequestContext, {}) == {}


def test_contexts_are_equal_by_their_logins_and_can_be_keys() -> None:
    """Although a mapping of logins cannot be hashed."""
    one, other = (RequestContext(user="alice", logins={"uin": each}) for each in (NO_SECRET, NO_SECRET))

    assert one == other
    assert len({one, other}) == 1


def test_a_person_and_their_login() -> None:
    """Both editions' logins go along when they are given."""
    context = RequestContext(user="alice", bk_token=Secret("t1"), bk_ticket=Secret("t2"))

    expected = {"bk_app_code": "bk_flow", "bk_app_secret": "canary", "bk_username": "alice"}
    assert claims(context) == {**expected, "bk_token": "t1", "bk_ticket": "t2"}


def test_an_access_token_stands_for_all() -> None:
    """The gateway knows application and user by it."""
    assert claims(RequestContext(user="alice", access_token=Secret("a1"))) == {"access_token": "a1"}


def test_ids_tenant_and_language() -> None:
    """A call can be found in the gateway's log, and speaks the context's language."""
    found = headers(SETTINGS, RequestContext(tenant="t9", language="en"), "r1")

    assert (found["X-Request-Id"], found["X-DATA-REQUEST-ID"]) == ("r1", "r1")
    assert (found["X-Bk-Tenant-Id"], found["blueking-language"]) == ("t9", "en")
    assert headers(SETTINGS, BACKGROUND, "r1")["X-Bk-Tenant-Id"] == "system"


def test_no_secret_shows() -> None:
    """The headers may stand in a frame that is reported."""
    shown = repr(headers(SETTINGS, RequestContext(bk_token=Secret("t1canary")), "r"))

    assert "canary" not in shown
    assert "t1" not in shown


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "中文", "a\x00"])
@pytest.mark.parametrize("what", ["tenant", "language", "request id"])
def test_a_name_that_cannot_stand_in_a_header_is_refused(what: str, text: str) -> None:
    """No header is added by a name; the error says which it is."""
    given: dict[str, Any] = {} if what == "request id" else {what: text}
    context = RequestContext(**given)
    with pytest.raises(ValueError, match=f"^the {what} .* cannot be sent in a header: use printable ASCII$"):
        headers(SETTINGS, context, text if what == "request id" else "r")


@pytest.mark.parametrize("value", ["no", 0, None])
def test_a_flag_that_is_not_a_bool_is_refused(value: Any) -> None:  # noqa: ANN401 - of any type
    """The text ``no`` is true, so the call would be made as the backend user."""
    with pytest.raises(
        TypeError, match=r"^RequestContext\(no_request=\.\.\.\) takes True or False, not (a str|an int|None)$"
    ):
        RequestContext(no_request=value)


@pytest.mark.parametrize(
    ("field", "value", "takes"),
    [
        *((name, 5, "text, not an int") for name in ("user", "operator", "tenant", "language", "request_id")),
        ("user", None, "text, not None"),
        *((name, "canary", "a Secret, not a str") for name in ("access_token", "bk_token", "bk_ticket")),
        ("logins", [("skey", "canary")], "a dictionary of Secrets, not a list"),
        ("logins", {5: NO_SECRET}, "names as text, not an int"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_by_its_field(field: str, value: Any, takes: str) -> None:  # noqa: ANN401 - of any type
    """A login as plain text would be shown wherever the context is."""
    given: dict[str, Any] = {field: value}
    with pytest.raises(TypeError) as raised:
        RequestContext(**given)
    assert str(raised.value) == f"RequestContext({field}=...) takes {takes}"


def test_a_login_that_is_no_secret_is_refused_by_its_name() -> None:
    """The message names the login and does not show it."""
    given: dict[str, Any] = {"logins": {"skey": "canary"}}
    with pytest.raises(TypeError, match=r"^RequestContext\(logins=\{'skey': \.\.\.\}\) takes a Secret, not a str$"):
        RequestContext(**given)

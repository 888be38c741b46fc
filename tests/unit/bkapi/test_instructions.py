"""The parameters by which callers of the log platform's framework said who calls."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.bkapi.context import RequestContext
from itsm_workflow.bkapi.prepare import fill_identity
from itsm_workflow.secrets import Secret
from tests.support.calls import desk, endpoint

if TYPE_CHECKING:
    from tests.support.calls import Sent

ALICE = RequestContext(user="alice", operator="alice", bk_token=Secret("t-1"), logins={"skey": Secret("s-1")})


def received(params: dict[str, Any], **options: Any) -> Sent:
    """Send one call of Alice, and return what arrived."""
    with desk() as here:
        here.client.call(endpoint(before_request=fill_identity, **options), params, context=ALICE)
    return here.last


def test_no_request_is_a_call_of_the_backend_user() -> None:
    """Nothing of the person is sent, in a header or in the body, and the word itself is not either."""
    sent = received({"sn": "REQ1", "no_request": True})
    claims = {name: value for name, value in sent.authorization.items() if name != "bk_app_secret"}
    assert claims == {"bk_app_code": "bk_flow", "bk_username": "admin"}
    assert {name: sent.json.get(name) for name in ("bk_username", "operator", "auth_info", "no_request")} == {
        "bk_username": "admin",
        "operator": "admin",
        "auth_info": None,
        "no_request": None,
    }


def test_without_no_request_the_person_calls() -> None:
    """False is the same as leaving it out."""
    sent = received({"no_request": False})
    assert (sent.authorization["bk_username"], sent.authorization["bk_token"]) == ("alice", "t-1")
    assert (sent.json["bk_username"], "no_request" in sent.json) == ("alice", False)


@pytest.mark.parametrize("no_request", [True, False])
def test_bk_username_is_the_user_of_the_call(*, no_request: bool) -> None:
    """In the header as in the body; the log platform creates tickets as admin this way."""
    sent = received({"bk_username": "bob", "operator": "carol", "no_request": no_request})
    assert sent.authorization["bk_username"] == "bob"
    assert (sent.json["bk_username"], sent.json["operator"], sent.json["uin"]) == ("bob", "carol", "bob")


def test_an_endpoint_of_the_superuser_stays_one() -> None:
    """A parameter does not take that back."""
    sent = received({"bk_username": "bob"}, use_superuser=True)
    assert sent.authorization["bk_username"] == "admin"


def test_the_record_names_the_user_of_the_call(caplog: pytest.LogCaptureFixture) -> None:
    """Not the person in the context."""
    with caplog.at_level(logging.INFO, "itsm_workflow.gateway"):
        received({"bk_username": "bob"})
    assert [vars(line)["itsm_user"] for line in caplog.records if "itsm_user" in vars(line)] == ["bob"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"no_request": "no"}, r"read: no_request must be True or False, not a str$"),
        ({"no_request": 1}, r"read: no_request must be True or False, not an int$"),
        ({"bk_username": ["bob"]}, r"read: bk_username must be a user name as text, not a list$"),
        *(
            (
                {name: "canary"},
                rf"read: {name} cannot be a parameter, .*: pass context=RequestContext\({name}=Secret\(\.\.\.\)\)$",
            )
            for name in ("bk_token", "bk_ticket", "access_token")
        ),
        ({"bk_app_secret": Secret("canary")}, r"read: bk_app_secret cannot be a parameter, .* app_secret of Settings$"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_cannot_be_meant_is_refused_by_name(params: dict[str, Any], message: str, method: str) -> None:
    """With the place where it belongs; nothing is sent, and the error does not quote the value."""
    with desk() as here, pytest.raises(ValueError, match=message) as caught:
        here.client.call(endpoint(name="read", method=method), params, context=ALICE)
    assert here.requests == []
    assert "canary" not in str(caught.value)


def test_a_login_that_an_endpoint_sends_as_a_header_is_one() -> None:
    """As the framework's `header_keys` did."""
    assert received({"bk_ticket": Secret("t-2")}, header_keys=("bk_ticket",)).headers["bk_ticket"] == "t-2"


def test_the_caller_s_parameters_stay_as_they_are() -> None:
    """A host may send them again."""
    params = {"no_request": True, "sn": "REQ1"}
    received(params)
    assert params == {"no_request": True, "sn": "REQ1"}

"""An endpoint that contradicts itself is refused where it is defined, with every problem named."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from itsm_workflow.bkapi.endpoint import MAX_BODY, MAX_RECORD, METHODS, Endpoint, PaginationStyle
from itsm_workflow.bkapi.retry import NO_RETRY, RetryPolicy
from itsm_workflow.errors import DefinitionError
from tests.support.calls import endpoint
from tests.support.defaults import set_defaults


def test_the_least_that_must_be_given() -> None:
    """Name, method and URL; the defaults of the rest do nothing."""
    given: dict[str, Any] = {"name": "e", "method": "get", "url": "e/"}
    made: Endpoint[Any] = Endpoint(**given)

    assert set_defaults(Endpoint, given) == {
        "answer": object,
        "pagination_style": PaginationStyle.LIMIT_OFFSET,
        "max_query_params_record": 1000,
        "max_response_record": 1000,
    }
    assert (made.method, made.method_override) == ("GET", "")
    assert (made.idempotent, made.retry, made.cache_time, made.default_return_value) == (False, None, 0, None)


def test_the_other_method_is_written_in_capitals() -> None:
    """As the method itself."""
    assert endpoint(method_override="patch").method_override == "PATCH"


def test_the_repr_shows_no_default_answer() -> None:
    """A traceback with the variables of its frames may print it."""
    assert "canary" not in repr(endpoint(default_return_value="canary"))


def test_the_limits_of_an_answer_and_of_a_record() -> None:
    """Bytes, and characters."""
    assert MAX_BODY == 64 << 20
    assert [style.value for style in PaginationStyle] == ["limit-offset", "page-number"]


@pytest.mark.parametrize("method", METHODS)
def test_methods(method: str) -> None:
    """Five, in any case."""
    assert endpoint(method=method.lower()).method == method


def test_one_number_is_both_times() -> None:
    """To connect and to read."""
    assert endpoint(timeout=3).timeout == (3, 3)


def test_a_style_by_its_word() -> None:
    """As a settings file has it."""
    assert endpoint(pagination_style="page-number").pagination_style is PaginationStyle.PAGE_NUMBER


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("time_out", "did you mean timeout?"),
        ("cache_times", "did you mean cache_time?"),
        ("default_timeout", "did you mean timeout?"),
        ("request_cookies", "the options are name, method, url"),
    ],
)
def test_an_option_that_there_is_none_of(option: str, words: str) -> None:
    """It is named, with the nearest one or all of them; evolving an endpoint says the same."""
    given: dict[str, Any] = {option: 1}
    with pytest.raises(DefinitionError) as caught:
        endpoint(**given)
    assert str(caught.value).startswith(f"endpoint 'search': unknown option {option!r}; {words}")
    with pytest.raises(DefinitionError):
        attrs.evolve(endpoint(), **given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": ""}, "name must be a non-empty printable string"),
        ({"name": "a\nb"}, "name must be a non-empty printable string"),
        ({"method": "HEAD"}, "method must be one of GET, POST, PUT, PATCH, DELETE"),
        ({"method": None}, "method must be one of"),
        ({"method_override": "a b"}, "method_override must be the name of a method"),
        ({"method_override": 5}, "method_override must be the name of a method"),
        ({"url": ""}, "url must be a path or an address"),
        ({"url": None}, "url must be a path or an address"),
        ({"url": "/search/"}, "url must not start with a slash"),
        ({"url": "a/../b/"}, "url must not contain the parts . and .."),
        ({"url": "a b/"}, "url must be a path or an address without blanks"),
        ({"url": "a/?b=1"}, "url must be a path or an address without blanks, backslash, query"),
        ({"url": "a/{b}/"}, "url_keys must be the tuple of the parameters that the url names: ('b',)"),
        ({"url": "a/", "url_keys": ("b",)}, "url_keys must be the tuple of the parameters that the url names: ()"),
        ({"url": "a/{b}/", "url_keys": ["b"]}, "url_keys must be the tuple"),
        ({"url": "a/{}/", "url_keys": ("",)}, "url must name each parameter in braces"),
        ({"url": "a/{b!r}/", "url_keys": ("b",)}, "url must name each parameter in braces"),
        ({"url": "a/{b/"}, "url must name each parameter in braces"),
        ({"url": "ftp://example.com/"}, "url must be an http or https address"),
        ({"url": "https:///x/"}, "url must be an http or https address with a host"),
        ({"url": "https://a:b@example.com/"}, "url must not contain a user name or password"),
        ({"url": "https://a@example.com/"}, "url must not contain a user name or password"),
        ({"url": "https://:b@example.com/"}, "url must not contain a user name or password"),
        ({"url": "https://{h}.example.com/", "url_keys": ("h",)}, "url must not take its host from a parameter"),
        ({"url": "https://[::1/"}, "url is not an address"),
        ({"url": "https://example.com:port/"}, "url is not an address"),
        ({"header_keys": ["X-A"]}, "header_keys must be a tuple"),
        ({"header_keys": ("X A",)}, "header_keys 'X A' is not a valid header name"),
        ({"header_keys": (5,)}, "header_keys 5 is not a valid header name"),
        ({"header_keys": ("Cookie",)}, "header_keys 'Cookie' is set by the client"),
        ({"header_keys": ("x-bk-app-secret",)}, "header_keys 'x-bk-app-secret' is set by the client"),
        ({"before_request": "f"}, "before_request must be a function"),
        ({"after_request": 1}, "after_request must be a function"),
        ({"tenant": 5}, "tenant must be a string, or a function"),
        ({"retry": 3}, "retry must be a RetryPolicy"),
        ({"retry": RetryPolicy(), "idempotent": False}, "retry is allowed only with idempotent=True"),
        ({"idempotent": "no"}, "idempotent must be True or False"),
        ({"fresh_connection": 1}, "fresh_connection must be True or False"),
        ({"no_query_params": None}, "no_query_params must be True or False"),
        ({"use_superuser": "false"}, "use_superuser must be True or False"),
        ({"timeout": 0}, "timeout must be a number of seconds above 0"),
        ({"timeout": -1}, "timeout must be a number of seconds above 0"),
        ({"timeout": (1, 2, 3)}, "timeout must be a number of seconds above 0"),
        ({"timeout": "3"}, "timeout must be a number of seconds above 0"),
        ({"deadline": -1}, "deadline must be a number of seconds above 0"),
        ({"deadline": float("inf")}, "deadline must be a number of seconds above 0"),
        ({"cache_time": -1, "method": "GET"}, "cache_time must be a number of seconds above 0"),
        ({"cache_time": 60}, "cache_time is allowed only for GET"),
        ({"cache_time": 60, "method": "GET", "method_override": "PUT"}, "cache_time is allowed only for GET"),
        ({"pagination_style": "cursor"}, "pagination_style must be one of limit-offset, page-number"),
        ({"max_bytes": 0}, f"max_bytes must be a whole number of bytes from 1 to {MAX_BODY}"),
        ({"max_bytes": MAX_BODY + 1}, "max_bytes must be a whole number of bytes"),
        ({"max_bytes": 1e6}, "max_bytes must be a whole number of bytes"),
        ({"max_bytes": True}, "max_bytes must be a whole number of bytes"),
        ({"max_query_params_record": -1}, "max_query_params_record must be a whole number"),
        ({"max_response_record": MAX_RECORD + 1}, "max_response_record must be a whole number"),
        ({"max_response_record": "all"}, "max_response_record must be a whole number"),
    ],
)
def test_what_contradicts_itself_is_refused(given: dict[str, object], words: str) -> None:
    """Where it is defined, not when it is called."""
    with pytest.raises(DefinitionError) as caught:
        endpoint(**given)
    assert words in str(caught.value)


SET_BY_THE_CLIENT = (
    "Accept Accept-Encoding Blueking-Language Connection Content-Encoding Content-Length Content-Type Cookie Expect "
    "Host TE Trailer Transfer-Encoding Upgrade User-Agent X-Bk-App-Code X-Bk-App-Secret X-Bk-Tenant-Id "
    "X-Bkapi-Authorization X-Data-Request-Id X-HTTP-Method-Override X-Method-Override X-Request-Id"
)


@pytest.mark.parametrize("name", SET_BY_THE_CLIENT.split())
def test_no_parameter_takes_a_header_of_the_clients_own(name: str) -> None:
    """One that frames the message, says who calls, or names the call; in any letter case."""
    for spelled in (name, name.lower(), name.upper()):
        with pytest.raises(DefinitionError, match="is set by the client"):
            endpoint(header_keys=(spelled,))


@pytest.mark.parametrize(
    "given",
    [
        {"max_bytes": 1},
        {"max_bytes": MAX_BODY},
        {"max_response_record": 0},
        {"max_query_params_record": 0},
        {"max_response_record": MAX_RECORD},
        {"timeout": 0.1},
        {"timeout": (0.1, 0.1)},
        {"deadline": 0.1},
        {"method": "GET", "cache_time": 1},
        {"url": "a.b/..c/"},
        {"url": "a/{b}/{c}/{b}/", "url_keys": ("c", "b")},
    ],
)
def test_the_least_and_the_most_that_may_be_said(given: dict[str, Any]) -> None:
    """Each is an endpoint."""
    made = endpoint(**given)
    assert {name: getattr(made, name) for name in given} == given | (
        {"timeout": (0.1, 0.1)} if "timeout" in given else {}
    )


def test_all_problems_are_told_at_once() -> None:
    """Whoever defines ten endpoints does not want ten rounds."""
    with pytest.raises(DefinitionError) as caught:
        endpoint(method="X", url="/a", timeout=0, cache_time=-1)
    assert [option in str(caught.value) for option in ("method", "url", "timeout", "cache_time")] == [True] * 4


def test_not_trying_again_may_be_said_of_any_endpoint() -> None:
    """One attempt is no retry."""
    assert endpoint(idempotent=False, retry=NO_RETRY).retry is NO_RETRY


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"attempts": 0}, "attempts must be a whole number of at least 1"),
        ({"attempts": 2.5}, "attempts must be a whole number"),
        ({"attempts": True}, "attempts must be a whole number"),
        ({"first_wait": -1}, "first_wait must be a number of seconds"),
        ({"longest_wait": float("inf")}, "longest_wait must be a number of seconds"),
        ({"shortest_wait": 9}, "shortest_wait must not exceed longest_wait"),
        ({"longest_retry_after": "5"}, "longest_retry_after must be a number of seconds"),
        ({"statuses": {503}}, "statuses must be a frozenset of HTTP statuses"),
        ({"statuses": frozenset({"503"})}, "statuses must be a frozenset of HTTP statuses"),
        ({"exceptions": (ValueError,)}, "exceptions must be a tuple of GatewayError classes"),
        ({"exceptions": [1]}, "exceptions must be a tuple of GatewayError classes"),
        ({"results": [bool]}, "results must be a tuple of functions"),
        ({"results": (True,)}, "results must be a tuple of functions"),
    ],
)
def test_a_retry_policy_that_cannot_be(given: dict[str, Any], words: str) -> None:
    """The list of reasons means what it says, so that it must be one."""
    with pytest.raises(DefinitionError) as caught:
        RetryPolicy(**given)
    assert words in str(caught.value)

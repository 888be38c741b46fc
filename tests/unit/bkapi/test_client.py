"""A call of an endpoint, option by option: what leaves, what comes back, what is refused before anything leaves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.bkapi.context import RequestContext
from itsm_workflow.bkapi.endpoint import METHODS
from itsm_workflow.bkapi.response import DataResponse, Reply
from itsm_workflow.bkapi.retry import RetryPolicy
from itsm_workflow.bkapi.transport import BODY_LIMIT, Transport
from itsm_workflow.bkapi.upload import File
from itsm_workflow.errors import (
    GatewayAnswerTooLarge,
    GatewayError,
    GatewayNotAsked,
    GatewayProtocolError,
    GatewayRefused,
    GatewayTimeout,
    GatewayUnavailable,
    SettingsError,
)
from itsm_workflow.secrets import Secret
from tests.support.calls import APP_SECRET, client, desk, endpoint
from tests.support.fault_server import Connection, FaultServer, response, success
from tests.support.scripted import scripted_client

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from itsm_workflow.bkapi.prepare import CallFacts

REFUSED = response({"result": False, "code": 3900022, "message": "没有\n单据", "data": None, "errors": {"sn": ["?"]}})
BUSY = response(b"", status="503 Busy")


class TestMethods:
    """Where the parameters travel."""

    @pytest.mark.parametrize("method", [each for each in METHODS if each != "GET"])
    def test_all_but_get_carry_json(self, method: str) -> None:
        """The parameters are the body, and our request id is the query."""
        with desk() as here:
            here.client.call(endpoint(method=method.lower()), {"sn": "REQ1", "标题": "接入"})

        assert (here.last.method, here.last.path) == (method, "/v2/itsm/search/")
        assert here.last.json == {"sn": "REQ1", "标题": "接入"}
        assert here.last.headers["content-type"] == "application/json"
        assert here.last.query == {"bklog_request_id": [here.last.headers["x-data-request-id"]]}

    def test_get_carries_a_query(self) -> None:
        """A list repeats its key, None is left out, a truth is written as JSON has it."""
        with desk() as here:
            params = {"sn": ["REQ1", "REQ2"], "title": "接入 a&b", "n": 2, "all": True, "none": None}
            here.client.call(endpoint(method="GET"), params)

        query = {key: values for key, values in here.last.query.items() if key != "bklog_request_id"}
        assert query == {"sn": ["REQ1", "REQ2"], "title": ["接入 a&b"], "n": ["2"], "all": ["true"]}
        assert here.last.body == b""
        assert "content-type" not in here.last.headers

    def test_no_parameters_are_an_empty_object(self) -> None:
        """A body all the same: the gateway wants JSON."""
        with desk() as here:
            here.client.call(endpoint())

        assert here.last.json == {}

    def test_a_body_has_no_blanks(self) -> None:
        """They would be bytes that say nothing."""
        with desk() as here:
            here.client.call(endpoint(), {"a": [1, 2], "b": 3})

        assert here.last.body == b'{"a":[1,2],"b":3}'

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_our_id_can_be_left_out_of_the_query(self, method: str) -> None:
        """For a gateway that refuses strangers there; the headers still tell it."""
        with desk() as here:
            here.client.call(endpoint(method=method, no_query_params=True), {})

        assert here.last.query == {}
        assert len(here.last.headers["x-data-request-id"]) == 32

    def test_another_method_may_be_asked_for_by_a_header(self) -> None:
        """Both spellings that gateways read."""
        with desk() as here:
            here.client.call(endpoint(method_override="patch"))

        assert here.last.method == "POST"
        assert here.last.headers["x-http-method-override"] == "PATCH"
        assert here.last.headers["x-method-override"] == "PATCH"


class TestAddress:
    """Where a call goes."""

    def test_the_url_s_keys_are_filled_in_and_quoted(self) -> None:
        """A parameter cannot leave its place in the path."""
        with desk() as here:
            here.client.call(endpoint(url="biz/{bk_biz_id}/{name}/", url_keys=("bk_biz_id", "name")), BIZ)

        assert b" /v2/itsm/biz/2/..%2Fa%3Fb%23%E5%90%8D/?" in here.raw[0]

    def test_an_absolute_address_leads_elsewhere(self) -> None:
        """Another gateway of the same platform."""
        with desk() as other, desk() as here:
            here.client.call(endpoint(url=f"{other.server.url}x/"))

            assert (len(other.raw), len(here.raw)) == (1, 0)

    def test_a_client_may_have_another_root(self) -> None:
        """With the same application and its limits."""
        with desk() as here:
            other = client("http://127.0.0.1:9/", base_url=here.server.url)
            other.call(endpoint())
            other.close()

            assert here.last.authorization["bk_app_code"] == "bk_flow"

    def test_a_root_that_the_settings_do_not_allow(self) -> None:
        """Plain http to another machine is refused there as well."""
        with pytest.raises(SettingsError):
            client(base_url="http://gateway.example.com/")


BIZ = {"bk_biz_id": 2, "name": "../a?b#名"}


class TestHeaders:
    """What travels beside the parameters."""

    def test_the_platform_s_headers(self) -> None:
        """Who calls, in which language and tenant, under which id."""
        context = RequestContext(user="alice", tenant="t1", language="en", request_id="r-1")
        with desk() as here:
            here.client.call(endpoint(), context=context)

        claims = {"bk_app_code": "bk_flow", "bk_app_secret": APP_SECRET, "bk_username": "alice"}
        assert here.last.authorization == claims
        named = ("x-bk-app-code", "x-bk-app-secret", "x-bk-tenant-id", "x-request-id", "x-data-request-id")
        assert [here.last.headers[name] for name in named] == ["bk_flow", APP_SECRET, "t1", "r-1", "r-1"]
        assert here.last.headers["blueking-language"] == "en"
        assert here.last.query["bklog_request_id"] == ["r-1"]

    def test_what_is_accepted_and_which_library_calls(self) -> None:
        """In every request."""
        with desk() as here:
            here.client.call(endpoint())

        assert (here.last.headers["accept"], here.last.headers["user-agent"]) == ("application/json", "itsm-workflow")

    def test_a_parameter_may_travel_as_a_header(self) -> None:
        """And then not among the others; one that is not given is not sent."""
        with desk() as here:
            here.client.call(endpoint(header_keys=("X-Space", "X-None")), {"X-Space": "bkcc__2", "sn": "REQ1"})

        assert here.last.headers["x-space"] == "bkcc__2"
        assert "x-none" not in here.last.headers
        assert here.last.json == {"sn": "REQ1"}

    def test_a_secret_may_travel_as_a_header(self) -> None:
        """Sealed until it leaves."""
        with desk() as here:
            here.client.call(endpoint(header_keys=("X-Key",)), {"X-Key": Secret("k-1")})

        assert here.last.headers["x-key"] == "k-1"

    @pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "名", "", 1.5, ["a"], True])
    def test_a_parameter_that_is_no_header(self, value: object) -> None:
        """It is named, and not quoted."""
        with pytest.raises(ValueError, match=r"search: the parameter 'X-Space' is sent as a header"):
            client().call(endpoint(header_keys=("X-Space",)), {"X-Space": value})

    @pytest.mark.parametrize(
        ("option", "context", "call", "told"),
        [
            ("", "", "", None),
            ("", "from-context", "", "from-context"),
            ("from-endpoint", "from-context", "", "from-endpoint"),
            (lambda params: f"tenant-of-{params['bk_biz_id']}", "from-context", "", "tenant-of-2"),
            ("from-endpoint", "from-context", "from-call", "from-call"),
        ],
    )
    def test_the_tenant(self, option: Any, context: str, call: str, told: str | None) -> None:  # noqa: ANN401 - a text or a function
        """The call's word beats the endpoint's, which beats the context's."""
        with desk() as here:
            who = RequestContext(tenant=context)
            here.client.call(endpoint(tenant=option), {"bk_biz_id": 2}, context=who, tenant=call)

        assert here.last.headers.get("x-bk-tenant-id") == told


class TestHooks:
    """What an endpoint's functions may do."""

    def test_before_request_makes_the_parameters(self) -> None:
        """From a copy: what the caller gave stays as it was."""

        def before(params: dict[str, Any], call: CallFacts) -> Mapping[str, Any]:
            params["nested"]["added"] = call.user
            return {**params, "by": call.endpoint, "as": call.method}

        given = {"nested": {"a": 1}}
        with desk() as here:
            here.client.call(endpoint(before_request=before), given, context=RequestContext(user="alice"))

        assert here.last.json == {"nested": {"a": 1, "added": "alice"}, "by": "search", "as": "POST"}
        assert given == {"nested": {"a": 1}}

    def test_before_request_must_return_parameters(self) -> None:
        """A hook that forgot its return sends nothing."""
        with pytest.raises(ValueError, match="before_request must return the parameters"):
            client().call(endpoint(before_request=lambda *_: None))

    def test_what_a_hook_raises_comes_through(self) -> None:
        """It is the author's own error, with its own traceback."""

        def before(params: dict[str, Any], call: CallFacts) -> Mapping[str, Any]:
            raise LookupError("mine")

        with pytest.raises(LookupError, match="mine"):
            client().call(endpoint(before_request=before))

    def test_after_request_changes_the_envelope_of_a_success(self) -> None:
        """As the platform's hooks do."""

        def after(envelope: dict[str, Any]) -> dict[str, Any]:
            return {**envelope, "data": [row["id"] for row in envelope["data"]]}

        with desk([{"id": 1}, {"id": 2}]) as here:
            assert here.client.call(endpoint(after_request=after, answer=tuple[int, ...])) == (1, 2)

    def test_after_request_can_refuse(self) -> None:
        """A gateway that says success and means another thing."""

        def after(envelope: dict[str, Any]) -> dict[str, Any]:
            return {**envelope, "result": False, "code": 7, "message": "meant no"}

        with desk() as here, pytest.raises(GatewayRefused) as caught:
            here.client.call(endpoint(after_request=after))
        assert (caught.value.remote_code, caught.value.remote_message) == (7, "meant no")

    def test_after_request_must_return_an_envelope(self) -> None:
        """Else the answer does not count."""
        with desk() as here, pytest.raises(GatewayProtocolError, match="after_request did not return an envelope"):
            here.client.call(endpoint(after_request=lambda envelope: envelope["data"]))

    def test_after_request_is_not_asked_about_a_refusal(self) -> None:
        """There is nothing to clean."""
        asked: list[object] = []
        with desk(REFUSED) as here, pytest.raises(GatewayRefused):
            here.client.call(endpoint(after_request=asked.append))
        assert asked == []

    @pytest.mark.parametrize("default", [[], {"id": 1}, lambda params: params["n"] + 1])
    def test_a_default_is_returned_instead_of_sending(self, default: Any) -> None:  # noqa: ANN401 - a value or a function
        """For a platform that lacks this interface."""
        expected = 3 if callable(default) else default

        assert client().call(endpoint(default_return_value=default), {"n": 2}) == expected

    def test_a_default_leaves_a_file_unread(self, tmp_path: Path) -> None:
        """Nothing is sent, so the caller's file is as it was, for whatever is done with it instead."""
        path = tmp_path / "plan.txt"
        path.write_bytes(b"the plan")
        with path.open("rb") as file:
            assert client().call(endpoint(default_return_value=7), {"plan": file}) == 7
            assert file.read() == b"the plan"


@attrs.frozen(kw_only=True)
class Row:
    """A row of an answer."""

    id: int


class TestAnswers:
    """What a caller gets."""

    def test_data_of_the_endpoint_s_type(self) -> None:
        """Typed, strangers ignored."""
        with desk([{"id": 1, "more": 2}]) as here:
            assert here.client.call(endpoint(answer=tuple[Row, ...])) == (Row(id=1),)

    def test_data_of_another_shape_do_not_count(self) -> None:
        """The place is told, not the value."""
        with desk([{"id": "canary"}]) as here, pytest.raises(GatewayProtocolError) as caught:
            here.client.call(endpoint(answer=tuple[Row, ...]))
        assert "data" in str(caught.value)
        assert "canary" not in str(caught.value)

    def test_the_whole_answer(self) -> None:
        """Under the names of the platform's response."""
        body = {"result": True, "code": "00", "message": "a\x1bb", "data": [1], "errors": {"x": 1}}
        with desk(response(body)) as here:
            whole = here.client.call(endpoint(), raw=True, context=RequestContext(request_id="r-1"))

        expected = DataResponse(
            is_success=True, code="00", message="a b", data=[1], errors={"x": 1}, request_id="r-1", error=None
        )
        assert whole == expected

    def test_a_refusal_without_raising(self) -> None:
        """Everything the gateway said about it, cleaned; and the error that would have been raised."""
        with desk(REFUSED) as here:
            whole = here.client.call(endpoint(), raise_exception=False)

        assert (whole.is_success, whole.code, whole.message) == (False, 3900022, "没有 单据")
        assert (whole.data, whole.errors) == (None, {"sn": ["?"]})
        assert isinstance(whole.error, GatewayRefused)

    def test_the_words_of_a_refusal_are_cut(self) -> None:
        """Its code, which may be a word, and its message."""
        refused = response({"result": False, "code": "x" * 9999, "message": "x" * 9999, "data": None})
        with desk(refused) as here, pytest.raises(GatewayRefused) as caught:
            here.client.call(endpoint())

        assert (len(str(caught.value.remote_code)), len(caught.value.remote_message)) == (64, 200)

    def test_no_answer_without_raising(self) -> None:
        """Our own code and words, since the gateway said none."""
        whole = client().call(endpoint(), raise_exception=False)

        assert (whole.is_success, whole.code, whole.data) == (False, "gateway.unavailable", None)
        assert isinstance(whole.error, GatewayUnavailable)
        assert "nothing was sent" in whole.message

    def test_a_refusal_is_raised_otherwise_also_where_the_whole_answer_is_wanted(self) -> None:
        """Asking for more does not silence it."""
        with desk(REFUSED) as here, pytest.raises(GatewayRefused):
            here.client.call(endpoint(), raw=True)

    def test_an_exchange_returns_a_refusal_and_raises_the_rest(self) -> None:
        """For callers to whom a refusal is an answer."""
        with desk([1], REFUSED, BUSY) as here:
            context = RequestContext(request_id="r-1")
            assert here.client.exchange(endpoint(), {}, context=context) == Reply(data=[1], request_id="r-1")
            assert isinstance(here.client.exchange(endpoint(), {}), GatewayRefused)
            with pytest.raises(GatewayProtocolError):
                here.client.exchange(endpoint(), {})

    def test_no_state_is_shared_between_calls(self) -> None:
        """One caller's tenant, retry and parameters are not the next one's."""
        with desk(BUSY, {}, BUSY) as here:
            policy = RetryPolicy(attempts=2, wait=False)
            given: dict[str, Any] = {"a": 1}
            here.client.call(endpoint(), given, retry=policy, tenant="t1", context=RequestContext(user="alice"))
            with pytest.raises(GatewayProtocolError):
                here.client.call(endpoint(), given)

            assert len(here.raw) == 3
            assert "x-bk-tenant-id" not in here.last.headers
            assert here.last.authorization["bk_username"] == "admin"
            assert here.last.json == {"a": 1} == given


NAMED = RequestContext(request_id="r-1")


class TestNames:
    """Each error and each response names the endpoint and the call, for a person who searches the gateway's log."""

    @pytest.mark.parametrize(
        ("answer", "options"),
        [
            pytest.param(REFUSED, {}, id="a refusal"),
            pytest.param(response(b"<p>"), {}, id="no JSON"),
            pytest.param("text", {"answer": list[int]}, id="another type"),
            pytest.param(response({**success(None), "result": None}), {}, id="no result"),
            pytest.param(BUSY, {}, id="a status"),
        ],
    )
    def test_the_error_of_an_answer_that_does_not_count(self, answer: object, options: dict[str, Any]) -> None:
        """Whatever is wrong with it."""
        with desk(answer) as here, pytest.raises(GatewayError) as caught:
            here.client.call(endpoint(**options), context=NAMED)

        assert (caught.value.endpoint, caught.value.request_id) == ("search", "r-1")

    def test_the_error_of_a_call_that_is_held_back(self) -> None:
        """Nothing was sent; the log has a line of it all the same."""
        ours = client(given={"breaker_failures": 1})
        ours.call(endpoint(), raise_exception=False)
        with pytest.raises(GatewayNotAsked) as caught:
            ours.call(endpoint(), context=NAMED)

        assert (caught.value.endpoint, caught.value.request_id) == ("search", "r-1")

    @pytest.mark.parametrize(
        ("answer", "options"),
        [
            pytest.param(1, {}, id="a success"),
            pytest.param(REFUSED, {}, id="a refusal"),
            pytest.param(BUSY, {}, id="no answer that counts"),
            pytest.param(1, {"default_return_value": 5}, id="a default"),
        ],
    )
    def test_the_response(self, answer: object, options: dict[str, Any]) -> None:
        """Also where nothing is raised."""
        with desk(answer) as here:
            whole = here.client.call(endpoint(**options), context=NAMED, raise_exception=False)

        assert whole.request_id == "r-1"
        assert whole.is_success == (whole.error is None)


class TestParts:
    """What a client is made of."""

    def test_closing_closes_the_connections(self) -> None:
        """Of the transport that was passed in."""
        ours, transport = scripted_client(lambda _: b"")
        assert not transport.is_closed
        ours.close()

        assert transport.is_closed

    def test_the_connections_and_the_cache_have_the_client_s_clock(self) -> None:
        """A test moves it; no wait is measured by another clock."""
        ours = client(monotonic=lambda: 100.0)

        assert ours._transport._monotonic() == ours._cache._monotonic() == 100.0


PNG = b"Content-Type: image/png\r\n\r\n\x00\r\n--\r\n"


class TestFiles:
    """What travels in a form."""

    def test_files_and_fields(self) -> None:
        """Texts as they are, other values as JSON."""
        with desk() as here:
            files = {"logo": File(name='a"b.png', content=b"\x00\r\n--", content_type="image/png")}
            here.client.call(endpoint(), {"title": "接入", "rows": [1], "none": None}, files=files)

        kind, _, boundary = here.last.headers["content-type"].partition("; boundary=")
        assert kind == "multipart/form-data"
        parts = here.last.body.split(f"--{boundary}".encode())
        assert parts[1:] == [
            b'\r\nContent-Disposition: form-data; name="title"\r\n\r\n' + "接入".encode() + b"\r\n",
            b'\r\nContent-Disposition: form-data; name="rows"\r\n\r\n[1]\r\n',
            b'\r\nContent-Disposition: form-data; name="logo"; filename="a%22b.png"\r\n' + PNG,
            b"--\r\n",
        ]

    def test_an_open_file_among_the_parameters_is_one_too(self, tmp_path: Any) -> None:  # noqa: ANN401 - a path
        """As the platform's callers are used to."""
        path = tmp_path / "a.txt"
        path.write_bytes(b"content")
        with desk() as here, path.open("rb") as file:
            here.client.call(endpoint(), {"file": file, "n": 1})

        assert b'name="file"; filename="a.txt"' in here.last.body
        assert b"content" in here.last.body

    def test_a_get_takes_no_files(self) -> None:
        """It has no body."""
        with pytest.raises(ValueError, match="files cannot be sent with GET"):
            client().call(endpoint(method="GET"), files={"f": File(name="f", content=b"")})


class TestTime:
    """How long a call may take, and who says so."""

    @pytest.mark.parametrize(
        ("of_endpoint", "of_call"),
        [({"deadline": 0.1}, {}), ({}, {"deadline": 0.1}), ({"timeout": (1, 0.1)}, {}), ({}, {"timeout": 0.1})],
    )
    def test_the_call_beats_the_endpoint_beats_the_settings(
        self, of_endpoint: dict[str, Any], of_call: dict[str, Any]
    ) -> None:
        """A server that says nothing is left after the shorter time."""
        with FaultServer(Connection.hold) as server:
            ours = client(server.url, {"timeout": (50.0, 50.0), "deadline": 60.0})
            with pytest.raises(GatewayTimeout):
                ours.call(endpoint(**of_endpoint), **of_call)
            ours.close()

    def test_a_limit_for_bodies_can_be_set(self) -> None:
        """By a transport of one's own; the limit counts, not what the server says."""
        transport = Transport(body_limit=200)
        with desk("x" * 100, "x" * 200, transport=transport) as here:
            assert here.client.call(endpoint()) == "x" * 100
            with pytest.raises(GatewayProtocolError, match="larger than 200 bytes"):
                here.client.call(endpoint())

    def test_the_limit_is_a_mebibyte_otherwise(self) -> None:
        """The last byte that is held, and the first that is not."""
        fits, over = (success("x" * (BODY_LIMIT - len(json.dumps(success(""))) + more)) for more in (0, 1))
        with desk(response(fits), response(over)) as here:
            assert len(here.client.call(endpoint())) > BODY_LIMIT - 100
            with pytest.raises(GatewayProtocolError, match="larger than 1048576 bytes"):
                here.client.call(endpoint())

    @pytest.mark.parametrize("limit", [BODY_LIMIT // 2, BODY_LIMIT * 2])
    def test_an_endpoint_sets_its_own_limit(self, limit: int) -> None:
        """Below and above the transport's: to the byte, and what exceeds it has an error of its own."""
        fits, over = (success("x" * (limit - len(json.dumps(success(""))) + more)) for more in (0, 1))
        with desk(response(fits), response(over)) as here:
            assert len(here.client.call(endpoint(max_bytes=limit))) > limit - 100
            with pytest.raises(GatewayAnswerTooLarge, match=f"larger than {limit} bytes") as caught:
                here.client.call(endpoint(max_bytes=limit))
        assert caught.value.code == "gateway.too_large"

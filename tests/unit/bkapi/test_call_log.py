"""One record per call: what it says, and what it never says."""

from __future__ import annotations

import contextlib
import html
import json
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import attrs
import pytest

from itsm_workflow.bkapi.call_log import _NODES as NODES
from itsm_workflow.bkapi.call_log import CallLog, CallRecord, scrub, secrets_of, shown, spelled
from itsm_workflow.bkapi.context import RequestContext
from itsm_workflow.bkapi.retry import RetryPolicy
from itsm_workflow.bkapi.transport import Transport
from itsm_workflow.errors import GatewayError
from itsm_workflow.secrets import Secret
from tests.support.calls import client, desk, endpoint
from tests.support.defaults import set_defaults
from tests.support.fault_server import response

if TYPE_CHECKING:
    from collections.abc import Mapping

BUSY = response(b"", status="503 Busy")
WORDS = {"result": False, "code": "NO", "message": "words of the gateway", "data": None}
REFUSED = response(WORDS)


def lines(caplog: pytest.LogCaptureFixture) -> list[Any]:
    """Return the audit lines."""
    return [record for record in caplog.records if record.name == "itsm_workflow.gateway"]


class TestRecord:
    """The facts of one call."""

    def test_of_a_success(self, caplog: pytest.LogCaptureFixture) -> None:
        """The observer's object and the log's flat fields say the same."""
        caplog.set_level(logging.INFO)
        records: list[CallRecord] = []
        good = response(
            {"result": True, "code": 0, "message": "", "data": [1]}, headers=("X-Bkapi-Request-Id: gateway-1",)
        )
        context = RequestContext(user="alice", operator="bob", tenant="t1", request_id="r-1")
        with desk(BUSY, good, observers=[records.append], retry=RetryPolicy(wait=False)) as here:
            root = here.server.url
            made = endpoint(module="ITSM", url="biz/{id}/", url_keys=("id",))
            here.client.call(made, {"id": 2, "sn": "REQ1"}, context=context)

        (record,) = records
        assert record == CallRecord(
            endpoint="search",
            module="ITSM",
            method="POST",
            url=f"{root}biz/2/",
            outcome="success",
            status=200,
            code=0,
            message="",
            seconds=record.seconds,
            slow=False,
            attempts=2,
            cached=False,
            request_id="r-1",
            gateway_request_id="gateway-1",
            user="alice",
            operator="bob",
            tenant="t1",
            sent_bytes=len(here.last.body),
            received_bytes=len(b'{"result": true, "code": 0, "message": "", "data": [1]}'),
            params='{"id": 2, "sn": "REQ1"}',
            answer="[1]",
        )
        assert 0 < record.seconds < 5
        (line,) = lines(caplog)
        assert line.levelno == logging.INFO
        assert line.getMessage() == f"search: success in {line.itsm_seconds:.3f} s (request r-1)"
        assert line.bk_request_id == "r-1"
        facts = {name: value for name, value in attrs.asdict(record).items() if name != "request_id"}
        assert {name: getattr(line, f"itsm_{name}") for name in facts} == facts
        assert all(isinstance(value, str | int | float | None) for value in facts.values())

    @pytest.mark.parametrize(
        ("answer", "outcome", "status", "code"),
        [
            (REFUSED, "gateway.refused", 200, "NO"),
            (response(WORDS, status="401 Unauthorized"), "gateway.protocol", 401, "NO"),
            (BUSY, "gateway.protocol", 503, None),
            (response(b"no JSON"), "gateway.protocol", 200, None),
            (b"SSH-2.0\r\n", "gateway.protocol", None, None),
        ],
    )
    def test_of_a_failure(
        self, caplog: pytest.LogCaptureFixture, answer: bytes, outcome: str, status: int | None, code: object
    ) -> None:
        """A warning that says how it ended, and with which code and words the gateway refused it."""
        with desk(answer) as here, pytest.raises(GatewayError):
            here.client.call(endpoint(), timeout=0.5, deadline=0.5)

        (line,) = lines(caplog)
        assert line.levelno == logging.WARNING
        assert (line.itsm_outcome, line.itsm_status, line.itsm_code) == (outcome, status, code)
        assert (line.itsm_attempts, line.itsm_answer) == (1, "")
        said = "words of the gateway" if code else ""
        assert line.itsm_message == said
        told = f" ({code}: {said})" if code else ""
        assert line.getMessage().startswith(f"search: {outcome}{told} in ")

    def test_of_a_refusal_that_repeats_a_secret(self, caplog: pytest.LogCaptureFixture) -> None:
        """Stars in its place, and no line of its own."""
        body = {"result": False, "code": 1640102, "data": None, "message": "bk_token t-12345\nis no login"}
        with desk(response(body, status="401 Unauthorized")) as here, pytest.raises(GatewayError) as caught:
            here.client.call(endpoint(), context=RequestContext(bk_token=Secret("t-12345")))

        (line,) = lines(caplog)
        assert line.itsm_message == caught.value.remote_message == "bk_token *** is no login"
        assert "t-12345" not in f"{vars(line)} {line.getMessage()} {caught.value} {vars(caught.value)}"

    def test_of_a_call_that_has_just_begun(self) -> None:
        """Nothing is known of it but its endpoint and its id."""
        assert set_defaults(CallLog, {"endpoint": endpoint(), "request_id": "r"}) == {}

    def test_of_a_call_that_is_under_way(self) -> None:
        """What it was given and what came back are not shown: a traceback may print it."""
        log = CallLog(endpoint=endpoint(), request_id="r-1", params={"bk_token": "t-12345"}, data={"token": "t-12345"})
        assert "t-12345" not in repr(log)
        assert "endpoint" not in repr(log)

    def test_of_the_gateway_s_own_id(self, caplog: pytest.LogCaptureFixture) -> None:
        """At most 64 characters, without secrets; empty if there is none."""
        caplog.set_level(logging.INFO)
        context = RequestContext(bk_token=Secret("t-12345"))
        told = f"X-Bkapi-Request-Id: t-12345 {'x' * 100}"
        with desk(response({"result": True, "code": 0, "message": "", "data": 1}, headers=(told,)), 2) as here:
            for _ in range(2):
                here.client.call(endpoint(), context=context)

        first, second = lines(caplog)
        assert len(first.itsm_gateway_request_id) == 64
        assert first.itsm_gateway_request_id.startswith("*** xxx")
        assert second.itsm_gateway_request_id == ""

    def test_of_a_default(self, caplog: pytest.LogCaptureFixture) -> None:
        """It is no failure."""
        caplog.set_level(logging.INFO)
        with desk() as here:
            here.client.call(endpoint(default_return_value=5))

        (line,) = lines(caplog)
        assert (line.itsm_outcome, line.levelno) == ("default", logging.INFO)

    def test_of_a_call_that_nothing_answered(self, caplog: pytest.LogCaptureFixture) -> None:
        """Attempted once, and nothing was sent."""
        with pytest.raises(GatewayError):
            client().call(endpoint(), {"a": 1})

        (line,) = lines(caplog)
        assert (line.itsm_outcome, line.itsm_status, line.itsm_attempts) == ("gateway.unavailable", None, 1)
        assert line.itsm_params == '{"a": 1}'

    @pytest.mark.parametrize(
        ("options", "params", "outcome", "attempts"),
        [
            ({"default_return_value": [1]}, {}, "default", 0),
            ({}, {"a": {1}}, "not_sent", 0),
            ({"after_request": lambda _: 1 // 0}, {}, "interrupted", 1),
        ],
    )
    def test_of_a_call_that_something_else_ended(
        self,
        caplog: pytest.LogCaptureFixture,
        options: dict[str, Any],
        params: dict[str, Any],
        outcome: str,
        attempts: int,
    ) -> None:
        """A default, a parameter that cannot be sent, a hook that fails: one line in any case."""
        caplog.set_level(logging.INFO)
        with desk() as here, contextlib.suppress(ValueError, ZeroDivisionError):
            here.client.call(endpoint(**options), params)

        (line,) = lines(caplog)
        assert (line.itsm_outcome, line.itsm_attempts) == (outcome, attempts)

    @pytest.mark.parametrize(("seconds", "slow"), [(7.5, True), (7.4, False)])
    def test_of_a_slow_call(self, caplog: pytest.LogCaptureFixture, seconds: float, slow: bool) -> None:  # noqa: FBT001 - a parameter
        """From the threshold on it is a warning, success or not."""
        caplog.set_level(logging.INFO)
        now = [100.0]

        def wait(params: dict[str, Any], _: object) -> Mapping[str, Any]:
            now[0] += seconds
            return params

        with desk(slow=7.5, monotonic=lambda: now[0], transport=Transport()) as here:
            here.client.call(endpoint(before_request=wait))

        (line,) = lines(caplog)
        assert line.levelno == (logging.WARNING if slow else logging.INFO)
        assert line.itsm_slow is slow
        assert (", slow (request" in line.getMessage()) is slow

    def test_of_how_long_it_took_to_the_microsecond(self, caplog: pytest.LogCaptureFixture) -> None:
        """What a float has behind that would only fill the log."""
        caplog.set_level(logging.INFO)
        now = iter([100.0, 100.1234564])
        made = client(monotonic=lambda: next(now), transport=Transport())

        made.call(endpoint(default_return_value=[]))

        (line,) = lines(caplog)
        assert line.itsm_seconds == 0.123456

    def test_an_observer_that_fails_changes_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        """It is told about, and the next one is asked."""
        records: list[CallRecord] = []

        def broken(record: CallRecord) -> None:
            raise RuntimeError(record.endpoint)

        with desk([1], observers=[broken, records.append]) as here:
            assert here.client.call(endpoint()) == [1]

        assert len(records) == 1
        assert [line.getMessage() for line in lines(caplog)] == ["an observer of calls failed on search"]

    def test_nobody_who_listens_costs_nothing(self) -> None:
        """A log that is off makes no record."""
        logger = logging.getLogger("itsm_workflow.gateway")
        logger.disabled = True
        try:
            with desk([1]) as here:
                assert here.client.call(endpoint()) == [1]
        finally:
            logger.disabled = False


def values(text: str) -> int:
    """Return how many values a JSON text holds, each container counted as one."""

    def count(value: object) -> int:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return 1 + sum(count(each) for each in inner)

    return count(json.loads(text))


class TestShown:
    """Parameters and answers, on one short line without secrets."""

    @pytest.mark.parametrize(
        "key",
        [
            "token",
            "bk_token",
            "Access-Token",
            "bk_app_secret",
            "PASSWORD",
            "passwd",
            "db_pwd",
            "passphrase",
            "Authorization",
            "auth_info",
            "cookies",
            "Set-Cookie",
            "credential",
            "headers",
            "api_key",
            "X-Api-Key",
            "accessKey",
            "private_key",
            "skey",
            "session_id",
            "bk_ticket",
        ],
    )
    @pytest.mark.parametrize("value", ["v-1", 5, ["v-1"], {"a": "v-1"}, True])
    def test_stars_by_the_name_of_the_key(self, key: str, value: object) -> None:
        """Whatever stands there, at any depth, in any spelling of the name."""
        assert json.loads(shown({"a": [{key: value}]}, [], limit=1000)) == {"a": [{key: "***"}]}

    @pytest.mark.parametrize("key", ["sn", "ticket_url", "title", "key", "creator", "tokn"])
    def test_other_keys_show(self, key: str) -> None:
        """A log without facts helps nobody."""
        assert json.loads(shown({key: "v-1"}, [], limit=1000)) == {key: "v-1"}

    def test_stars_by_the_text_of_a_secret(self) -> None:
        """Where a key's name tells nothing, and within a longer text; also as a key."""
        known = [Secret("s3cret-value"), Secret("abc")]
        value = {"note": "it is s3cret-value!", "s3cret-value": 1, "sealed": Secret("x"), "short": "abc"}

        assert json.loads(shown(value, known, limit=1000)) == {
            "note": "it is ***!",
            "***": 1,
            "sealed": "***",
            "short": "abc",
        }
        assert scrub("s3cret-values3cret-value", known) == "******"

    def test_secrets_are_found_wherever_they_are_sealed(self) -> None:
        """In lists and objects of each other, so that they are starred elsewhere as well."""
        sealed = {"a": [{"b": (Secret("first-secret"), 1)}], "c": {"d": [Secret("second-secret"), "text"]}}
        context = RequestContext(bk_token=Secret("the-token"), logins={"skey": Secret("the-key")})
        found = [each.reveal() for each in secrets_of(context, Secret("app-secret"), sealed)]

        assert found == ["app-secret", "the-token", "the-key", "first-secret", "second-secret"]

    def test_a_sealed_address_is_looked_for_as_a_whole_before_its_parts(self) -> None:
        """Otherwise the rest of it would show around the stars."""
        address = "https://example.com/a-credential-in-a-path/"
        found = secrets_of(RequestContext(), Secret(""), {"callback": Secret(address)})

        assert found[0].reveal() == address
        assert "a-credential-in-a-path" in [each.reveal() for each in found[1:]]
        assert scrub(f"it was sent to {address}.", found) == "it was sent to ***."

    def test_half_a_secret_at_a_cut_does_not_show(self) -> None:
        """It is starred before it is cut."""
        text = "x" * 190 + "s3cret-value-that-is-long"

        assert "s3cret" not in shown({"note": text}, [Secret("s3cret-value-that-is-long")], limit=1000)

    def test_a_callback_s_address_shows_without_its_path(self) -> None:
        """Text or sealed: a credential may travel there."""
        for url in ("https://h.example.com/cb/s3cret?a=1", Secret("https://u:p@h.example.com/cb/s3cret")):
            assert json.loads(shown({"callback_url": url}, [], limit=999)) == {
                "callback_url": "https://h.example.com/***"
            }
        assert json.loads(shown({"callback_url": "https://[::1/"}, [], limit=999)) == {"callback_url": "***"}

    def test_all_of_it_where_no_limit_is_set(self) -> None:
        """Rows, keys and texts of any number and length; secrets show as stars all the same."""
        rows = [{"text": "x" * 5000, "token": "t-12345", **{f"k{number}": number for number in range(100)}}] * 300
        told = json.loads(shown(rows, [Secret("t-12345")], limit=None))
        assert told == [{**row, "token": "***"} for row in rows]

    @pytest.mark.parametrize("limit", [0, 1, 3, 4, 50, 1000])
    def test_no_longer_than_asked_for(self, limit: int) -> None:
        """However large the value is."""
        text = shown({"rows": [{"a": "x" * 500}] * 5000}, [], limit=limit)

        assert len(text) <= limit
        assert text.endswith("..."[:limit])

    @pytest.mark.parametrize(
        "value",
        [
            {"a": "x\r\nlevel=ERROR \u202e\x1b[0m\x7f 中文 \ud800"},
            {"a": b"bytes", "b": {1, 2}, "c": object(), (1, 2): 3, None: 4},
            {"a": 10**5000, "b": float("nan"), "c": None, "d": -1.5},
            [[[[]]]],
            "text",
            None,
        ],
    )
    def test_whatever_comes_is_one_line_of_plain_characters(self, value: object) -> None:
        """Whoever reads the log can trust its lines."""
        text = shown(value, [], limit=1000)

        assert text.isascii()
        assert text.isprintable()

    def test_numbers_and_objects(self) -> None:
        """A number of thousands of digits costs time to write; an object shows its class, or its own fields."""

        @attrs.frozen
        class Value:
            """A value of a host."""

            name: str
            password: str
            hidden: str = attrs.field(repr=False)

        value = {"fits": 2**256 - 1, "large": 2**256, "other": {1}, "value": Value("n", "p", "h")}
        assert json.loads(shown(value, [], limit=1000)) == {
            "fits": 2**256 - 1,
            "large": "<int>",
            "other": "<set>",
            "value": {"name": "n", "password": "***"},
        }

    def test_a_text_of_exactly_the_limit(self) -> None:
        """It is not cut."""
        assert shown(["ab"], [], limit=6) == '["ab"]'
        assert shown(["abc"], [], limit=6) == '["a...'
        assert shown("\x7f", [], limit=10) == '"\\u007f"'

    def test_the_shortest_text_that_is_starred(self) -> None:
        """A shorter one would star half of every log."""
        assert scrub("1234", [Secret("1234")]) == "***"
        assert scrub("123", [Secret("123")]) == "123"

    @pytest.mark.parametrize("leaf", [1, "text", None, True], ids=repr)
    def test_how_many_values_are_walked(self, leaf: object) -> None:
        """In lists and mappings alike, and each value counts."""
        names = [str(number) for number in range(20)]

        assert values(shown([[[leaf] * 20] * 20] * 20, [], limit=10**6)) == NODES
        assert (
            values(shown({a: {b: dict.fromkeys(names, leaf) for b in names} for a in names}, [], limit=10**6)) == NODES
        )

    def test_what_is_deep_or_large_is_cut_and_not_walked(self) -> None:
        """A record costs little, whatever was sent."""
        deep: list[Any] = []
        for _ in range(5000):
            deep = [deep]
        wide = {str(number): number for number in range(5000)}

        assert len(shown(deep, [], limit=5000)) < 1000
        assert list(json.loads(shown(wide, [], limit=5000))) == [str(number) for number in range(20)]

    def test_how_much_of_each_value_is_shown(self) -> None:
        """Of a text, of a list, of a number, of all values together; and how deep a secret is looked for."""
        value = {"text": "x" * 999, "list": list(range(99)), "n": 1 << 255, "m": 1 << 256}
        told = json.loads(shown(value, [], limit=9999))

        assert (len(told["text"]), len(told["list"]), told["n"], told["m"]) == (200, 20, 1 << 255, "<int>")
        assert len(json.loads(shown({str(key): 0 for key in range(99)}, [], limit=9999))) == 20
        assert shown([[0] * 20] * 20, [], limit=99_999).count("0") == 189
        for depth, found in ((32, 1), (33, 0)):
            sealed: object = Secret("s")
            for _ in range(depth - 1):
                sealed = [sealed]
            assert len(secrets_of(RequestContext(), Secret(""), {"a": sealed})) == found

    def test_an_endpoint_says_how_much_is_shown(self, caplog: pytest.LogCaptureFixture) -> None:
        """Of the parameters and of the answer, each for itself."""
        caplog.set_level(logging.INFO)
        with desk("y" * 300) as here:
            here.client.call(endpoint(max_query_params_record=20, max_response_record=0), {"a": "x" * 300})

        (line,) = lines(caplog)
        assert (line.itsm_params, line.itsm_answer) == ('{"a": "' + "x" * 10 + "...", "")

    def test_the_parameters_are_those_that_were_sent(self, caplog: pytest.LogCaptureFixture) -> None:
        """As the hook left them, what it sealed starred."""
        caplog.set_level(logging.INFO)

        def before(params: dict[str, Any], call: object) -> Mapping[str, Any]:
            return {**params, "auth_info": Secret('{"bk_token": "t-9999"}'), "note": 't {"bk_token": "t-9999"}'}

        with desk() as here:
            here.client.call(endpoint(before_request=before), {"a": 1})

        (line,) = lines(caplog)
        assert json.loads(line.itsm_params) == {"a": 1, "auth_info": "***", "note": "t ***"}

    def test_a_credential_in_an_address_that_is_sealed(self, caplog: pytest.LogCaptureFixture) -> None:
        """Each long part of a sealed text is starred by itself, however deep it was."""
        caplog.set_level(logging.INFO)
        url = Secret("https://h.example.com/cb/canary-0123456789-abcdef-0123456789/")
        params: dict[str, Any] = {"note": "it was canary-0123456789-abcdef-0123456789", "meta": [{"a": {"url": url}}]}
        with desk() as here:
            here.client.call(endpoint(), params)

        (line,) = lines(caplog)
        assert "canary" not in line.itsm_params
        assert "it was ***" in line.itsm_params

    def test_an_address_shows_without_its_query_and_secrets(self, caplog: pytest.LogCaptureFixture) -> None:
        """A login that somebody put into a path is starred there too."""
        caplog.set_level(logging.INFO)
        context = RequestContext(bk_token=Secret("t-12345"))
        with desk() as here:
            root = here.server.url
            made = endpoint(method="GET", url="of/{who}/", url_keys=("who",))
            here.client.call(made, {"who": "t-12345", "page": 1}, context=context)

        (line,) = lines(caplog)
        assert line.itsm_url == f"{root}of/***/"


ODD = "p\"w\\x/+&<% é'end"


@pytest.mark.parametrize(
    "repeated",
    [
        ODD,
        repr({"password": ODD}),
        json.dumps({"password": ODD}),
        json.dumps({"password": ODD}, ensure_ascii=False),
        json.dumps({"X-Bkapi-Authorization": json.dumps({"bk_app_secret": ODD})}),
        html.escape(ODD),
        html.escape(json.dumps({"password": ODD})),
        quote(ODD),
        quote(ODD, safe=""),
        urlencode({"bk_token": ODD}),
    ],
)
class TestEscaped:
    """An error page repeats the request as JSON, HTML or an address."""

    def test_a_secret_that_is_repeated_with_escapes_is_masked(self, repeated: str) -> None:
        """Whole: a part that is left would help to guess the rest."""
        masked = scrub(f"bad request: {repeated}", spelled([Secret(ODD)]))
        assert "end" not in masked
        assert "***" in masked

    def test_so_it_is_in_the_line_of_a_call(self, repeated: str, caplog: pytest.LogCaptureFixture) -> None:
        """In the answer and in the gateway's message, by the settings' own secret."""
        caplog.set_level(logging.INFO)
        refusal = {**WORDS, "message": f"refused: {repeated}"}
        good = {"result": True, "code": 0, "message": "", "data": {"echo": repeated}}
        with desk(response(good), response(refusal)) as here:
            made = endpoint(name="echo", before_request=lambda _, __: {"sealed": Secret(ODD)})
            here.client.call(made, {})
            with contextlib.suppress(GatewayError):
                here.client.call(made, {})
        heard, refused = lines(caplog)
        for shown_text in (caplog.text, heard.itsm_answer, refused.itsm_message):
            assert "end" not in shown_text
        assert "***" in heard.itsm_answer
        assert "***" in refused.itsm_message

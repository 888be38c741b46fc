"""From the bytes of a request to a hint, or to a refusal that tells nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.callbacks.parse import ACCEPTED, MAX_BODY, Callback, CallbackResponse, Incoming, digest_of, refusal
from itsm_workflow.callbacks.signer import HEADER
from itsm_workflow.secrets import Secret
from itsm_workflow.testing import strategies as s
from tests.support.callback_examples import ADDRESS, CHANGE, FACTS, OTHER, TOKEN, body, place, read
from tests.support.recorded import recordings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.recorded import Recording

REQUIRED = ["title", "current_status", "sn", "ticket_url", "update_at", "updated_by", "token", "approve_result"]
CALLBACKS = [recording for recording in recordings() if recording.is_callback]


def received(sent: bytes = body(), **where: Any) -> Callback | CallbackResponse:
    """Return what becomes of a POST of that body to our own attempt, with what is given otherwise."""
    return read(ADDRESS, **{**place(), "body": sent, **where})


def heard(sent: bytes = body(), **where: Any) -> Callback:
    """Return the callback that was believed."""
    found = received(sent, **where)
    assert isinstance(found, Callback)
    return found


def refused(sent: bytes = body(), **where: Any) -> tuple[int, str]:
    """Return the status and the words of a refusal."""
    answer = received(sent, **where)
    assert isinstance(answer, CallbackResponse)
    return answer.status, json.loads(answer.body)["message"]


def test_a_callback_names_its_attempt_and_says_an_sn() -> None:
    """All else that it says is hearsay and not kept, but for the token."""
    callback = heard(**place(CHANGE, 3))

    assert (callback.change_id, callback.number, callback.sn) == (CHANGE, 3, FACTS["sn"])
    assert callback.token == Secret(TOKEN)


@pytest.mark.parametrize("recording", CALLBACKS, ids=lambda recording: recording.name)
def test_every_recorded_callback_is_understood(recording: Recording) -> None:
    """As bytes, as BK-ITSM sent them."""
    request = recording.request

    assert heard(request["body"].encode()).sn == request["json"]["sn"]


def test_the_token_does_not_show() -> None:
    """Neither in the callback's repr, nor in its digest's input."""
    callback = heard()

    assert TOKEN not in repr(callback)
    assert callback.digest == heard(body(token="another")).digest


@pytest.mark.parametrize("name", sorted(set(FACTS) - {"token", "last_approver"}))
def test_another_fact_is_news(name: str) -> None:
    """The digest tells a repeat from a new callback."""
    changed = body(**{name: False if FACTS[name] is True else "REQ1"})

    assert heard(changed).digest != heard().digest


def test_a_repeat_is_known_however_it_is_spelled() -> None:
    """Order, spaces, escapes and keys that nobody documented do not make news."""
    spelled = json.dumps(dict(reversed(list(FACTS.items()))), ensure_ascii=False, indent=2).encode()

    assert {heard(one).digest for one in (spelled, body(more=[1, {"a": None}]), body(last_approver="carol"))} == {
        heard().digest
    }
    assert digest_of(spelled) == heard().digest


def test_last_approver_may_be_missing() -> None:
    """Older versions do not send it."""
    without = {name: value for name, value in FACTS.items() if name != "last_approver"}

    assert heard(json.dumps(without).encode()) == heard()


# ---------------------------------------------------------------- refused, in this order


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_a_body_of_another_kind_of_bytes_is_read(kind: Any) -> None:  # noqa: ANN401 - a type
    """As some servers pass it; its size counts in bytes."""
    assert heard(kind(body())).digest == heard().digest
    assert refused(kind(b"x" * (MAX_BODY + 1)))[0] == 413
    assert refused(memoryview(b"xxxx" * MAX_BODY).cast("I"))[0] == 413  # type: ignore[arg-type] # fewer elements


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("body", None, "the body is not bytes"),
        ("body", "text", "the body is not bytes"),
        ("body", [1], "the body is not bytes"),
        ("path", b"/itsm/callback/", "the path is not text"),
        ("path", None, "the path is not text"),
        ("headers", None, "the headers are not"),
        ("headers", [(HEADER, "x")], "the headers are not"),
        ("headers", {HEADER: None}, "the headers are not"),
        ("headers", {HEADER: b"x"}, "the headers are not"),
        ("headers", {HEADER: ["x"]}, "the headers are not"),
        ("headers", {None: "x"}, "the headers are not"),
        ("headers", {b"x": "y"}, "the headers are not"),
    ],
)
def test_a_part_of_another_type_is_answered_and_raises_nothing(part: str, value: object, words: str) -> None:
    """A host's framework may pass what came in as it came in."""
    given = {**place(), "body": body(), part: value}
    answer = read(ADDRESS, **given)
    assert isinstance(answer, CallbackResponse)
    assert (answer.status, words in json.loads(answer.body)["message"]) == (400, True)


class FlaskHeaders:
    """The headers of a request in Flask: they have items, and are not a mapping."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        self._pairs = pairs

    def items(self) -> Iterator[tuple[str, str]]:
        """Yield the names and values; a name may occur several times."""
        yield from self._pairs


def test_headers_of_a_framework_that_are_no_mapping_are_read() -> None:
    """Of a name that occurs several times, the first value counts, as in a look-up by name."""
    credential = place()["headers"][HEADER]

    assert heard(body(), headers=FlaskHeaders(("Host", "a"), (HEADER, credential), (HEADER, "x"))) == heard(body())
    assert refused(headers=FlaskHeaders((HEADER, "x"), (HEADER, credential)))[0] == 401


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "post", ""])
def test_only_a_post_is_a_callback(method: str) -> None:
    """Whatever else is right with it."""
    assert refused(method=method) == (405, "POST only")


def test_a_body_over_16_kib_is_refused_unread() -> None:
    """One byte more is too much; whoever sends it needs no credential to be told so."""
    padding = MAX_BODY - len(body(more=""))
    full = body(more="x" * padding)

    assert len(full) == MAX_BODY
    assert heard(full) == heard()
    assert refused(full + b" ") == (413, "a callback has at most 16384 bytes")
    assert refused(full + b" ", headers={}) == (413, "a callback has at most 16384 bytes")


WRONG: dict[str, dict[str, Any]] = {
    "no credential": {"headers": {}},
    "a made-up credential": {"headers": {HEADER: "A" * 43}},
    "another change's credential": {"headers": place(OTHER)["headers"]},
    "another attempt's credential": {"headers": place(CHANGE, 2)["headers"]},
    "another page": {"path": "/itsm/callback/"},
}


@pytest.mark.parametrize("where", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("sent", [body(), b"", b"\xff"], ids=["a body", "no body", "no text"])
def test_whatever_is_wrong_with_the_credential_is_answered_alike(where: dict[str, Any], sent: bytes) -> None:
    """The same bytes, before the body is looked at: nobody learns which changes exist."""
    assert received(sent, **where) == refusal(401, "not a callback of this application")


NONSENSE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "the body is not JSON text in UTF-8"),
    "no text": (b"\xff\xfe", "the body is not JSON text in UTF-8"),
    "half of it": (body()[:-1], "the body is not JSON text in UTF-8"),
    "NaN": (body(more=float("nan")), "the body is not JSON text in UTF-8"),
    "infinity": (body()[:-1] + b', "more": 1e999}', "the body is not JSON text in UTF-8"),
    "a key twice": (body()[:-1] + b', "sn": "REQ1"}', "the body is not JSON text in UTF-8"),
    "lists without end": (b"[" * 9000, "the body is not JSON text in UTF-8"),
    "lists that are too deep": (body(more=[[[[[[[[]]]]]]]]), "the body is not JSON text in UTF-8"),
    "digits without end": (body()[:-1] + b', "more": ' + b"9" * 9000 + b"}", "the body is not JSON text in UTF-8"),
    "a list": (b"[]", "the body is not a JSON object"),
    "null": (b"null", "the body is not a JSON object"),
    "an empty object": (b"{}", f"missing or of the wrong type: {', '.join(REQUIRED)}"),
    "an sn with a space": (body(sn="REQ 7"), "sn is not a ticket's number"),
    "an sn of other characters": (body(sn="单7"), "sn is not a ticket's number"),
    "an empty sn": (body(sn=""), "sn is not a ticket's number"),
    "a long sn": (body(sn="R" * 65), "sn is not a ticket's number"),
    "an sn with a line": (body(sn="REQ7\n"), "sn is not a ticket's number"),
    "a surrogate": (body(title="\ud800"), "the body contains lone surrogates"),
}


@pytest.mark.parametrize(("sent", "words"), NONSENSE.values(), ids=NONSENSE)
def test_a_body_without_sense_is_refused(sent: bytes, words: str) -> None:
    """The words say what is wrong, since whoever holds the credential may know."""
    assert refused(sent) == (400, words)


@pytest.mark.parametrize("name", FACTS)
@pytest.mark.parametrize("value", [None, 1, [], {}], ids=["null", "a number", "a list", "an object"])
def test_a_fact_of_the_wrong_type_is_refused(name: str, value: object) -> None:
    """By name, without its value."""
    assert refused(body(**{name: value})) == (400, f"missing or of the wrong type: {name}")


def test_all_facts_of_the_wrong_type_are_named_in_one_answer() -> None:
    """In the order in which the gateway documents them."""
    wrong = body(sn=5, approve_result="true", last_approver=7)

    assert refused(wrong) == (400, "missing or of the wrong type: sn, approve_result, last_approver")


@pytest.mark.parametrize("name", REQUIRED)
def test_a_fact_that_is_missing_is_refused(name: str) -> None:
    """Eight are required."""
    without = {key: value for key, value in FACTS.items() if key != name}

    assert refused(json.dumps(without).encode()) == (400, f"missing or of the wrong type: {name}")


@pytest.mark.parametrize("value", ["true", "false", 1, 0])
def test_only_a_boolean_is_a_result(value: object) -> None:
    """`"false"` is true in Python."""
    assert refused(body(approve_result=value)) == (400, "missing or of the wrong type: approve_result")


@given(sent=st.binary(max_size=64) | s.json_values.map(lambda value: json.dumps(value).encode()))
def test_any_body_can_be_read(sent: bytes) -> None:
    """It comes from outside: it is a callback or refused, and nothing is raised."""
    assert refused(sent)[0] == 400


@given(changes=st.dictionaries(st.sampled_from(sorted(FACTS)), s.json_values, max_size=3))
def test_any_facts_can_be_read(changes: dict[str, object]) -> None:
    """Also those that nearly make a callback."""
    found = received(body(**changes))

    assert isinstance(found, Callback) or found.status == 400


# ---------------------------------------------------------------- answers


def test_what_is_accepted_is_what_the_gateway_counts_as_delivered() -> None:
    """HTTP 200 and code 0, in the envelope of the platform, byte for byte."""
    envelope = {"result": True, "code": 0, "message": "success", "data": None}
    assert (ACCEPTED.status, ACCEPTED.headers) == (200, {"Content-Type": "application/json"})
    assert ACCEPTED.body == json.dumps(envelope).encode()


def test_what_is_refused_is_what_the_gateway_counts_as_not_delivered() -> None:
    """Whatever its HTTP status, its code is not 0."""
    answer = refusal(503, "not stored")

    assert (answer.status, answer.headers) == (503, {"Content-Type": "application/json"})
    assert json.loads(answer.body) == {"result": False, "code": 501, "message": "not stored", "data": None}


@pytest.mark.parametrize("character", [0xD800, 0xDBFF, 0xDC00, 0xDFFF])
def test_half_of_a_character_is_no_text(character: int) -> None:
    """From the first such half to the last; what stands next to them is text."""
    refused = read(ADDRESS, body=body(title=f"a{chr(character)}b"), **place())
    assert isinstance(refused, CallbackResponse)
    assert refused.status == 400


@pytest.mark.parametrize("character", ["\ud7ff", "\ue000", "\U0001f600"])
def test_every_whole_character_is_text(character: str) -> None:
    """Even the neighbours of what is none."""
    assert isinstance(read(ADDRESS, body=body(title=f"a{character}b"), **place()), Callback)


def test_a_request_shows_its_method_alone() -> None:
    """The rest holds our credential and the server's token, and it would be in every traceback with variables."""
    incoming = Incoming(method="POST", path="/path", headers={"name": "header"}, body=b"body")
    assert repr(incoming) == "Incoming(method='POST')"

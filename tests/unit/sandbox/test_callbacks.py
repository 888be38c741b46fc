"""The sandbox's sender of callbacks: what it sends, how it judges answers, and that it lets go when closed."""

from __future__ import annotations

import json
import threading
import zlib
from random import Random

import pytest

from itsm_workflow.sandbox import CallbackOutcome
from itsm_workflow.sandbox.delivery import CallbackSender
from itsm_workflow.sandbox.ticket import Outgoing
from itsm_workflow.sandbox.tokens import issue, verify
from tests.support.limits import PATIENCE
from tests.support.receiver import GOOD, Receiver, Say


def outgoing(url: str, **changes: object) -> Outgoing:
    """Make a callback to send."""
    facts: dict[str, object] = {
        "ticket_id": 1,
        "sn": "REQ20261125000001",
        "number": 1,
        "url": url,
        "headers": {},
        "body": {"title": "变更"},
        **changes,
    }
    return Outgoing(**facts)  # type: ignore[arg-type]  # a test may send what no ticket holds


def deliver(receiver: Receiver, *answers: Say, **changes: object) -> tuple[CallbackOutcome, str]:
    """Send one callback to a receiver that answers so."""
    receiver.answers = list(answers)
    sent = CallbackSender(timeout=PATIENCE).send(outgoing(f"{receiver.url}/cb?a=1&b=%2F", **changes))
    return sent.outcome, sent.note


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Say(), CallbackOutcome.DELIVERED),
        (Say(status=201, body=b'{"code": 0}'), CallbackOutcome.DELIVERED),
        (Say(body=b'{"code": 0.0}'), CallbackOutcome.DELIVERED),
        (Say(status=202), CallbackOutcome.FAILED),
        (Say(status=204, body=b""), CallbackOutcome.FAILED),
        (Say(status=500), CallbackOutcome.FAILED),
        (Say(body=b'{"code": 1}'), CallbackOutcome.FAILED),
        (Say(body=b'{"code": "0"}'), CallbackOutcome.FAILED),
        (Say(body=b'{"code": false}'), CallbackOutcome.FAILED),
        (Say(body=b'{"result": true}'), CallbackOutcome.FAILED),
        (Say(body=b"[]"), CallbackOutcome.FAILED),
        (Say(body=b"OK"), CallbackOutcome.FAILED),
        (Say(body=b""), CallbackOutcome.FAILED),
        (Say(close=True), CallbackOutcome.FAILED),
    ],
)
def test_acknowledged_only_by_code_zero(answer: Say, outcome: CallbackOutcome) -> None:
    """HTTP 200 or 201 with a JSON object whose ``code`` is the number 0."""
    with Receiver() as receiver:
        assert outcome == deliver(receiver, answer)[0]


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"url": "not a url"}, "ValueError"),
        ({"url": "ftp://127.0.0.1/x"}, "ValueError"),
        ({"url": "http://127.0.0.1:no/x"}, "ValueError"),
        ({"url": "http://127.0.0.1:1/x"}, "ConnectionRefusedError"),
        ({"headers": {"X-N": 5}}, "ValueError"),
        ({"headers": {"X-N": "a\r\nb: c"}}, "ValueError"),
        ({"headers": ["X-N"]}, "ValueError"),
        ({"headers": {"X N:": "a"}}, "ValueError"),
    ],
)
def test_what_cannot_be_sent_fails_unsent(changes: dict[str, object], note: str) -> None:
    """A bad URL, a bad header or nobody there: failed, and nothing came in."""
    with Receiver() as receiver:
        url = changes.pop("url", f"{receiver.url}/cb")
        sent = CallbackSender(timeout=PATIENCE).send(outgoing(str(url), **changes))

        assert (CallbackOutcome.FAILED, note) == (sent.outcome, sent.note)
        assert receiver.seen == []


def test_own_headers_are_added_as_they_are() -> None:
    """They replace standard ones of the same name, whatever its case."""
    headers = {"authorization": "Bearer x", "content-type": "text/x", "USER-AGENT": "me"}
    with Receiver() as receiver:
        deliver(receiver, headers=headers)
        seen = receiver.seen[0]

    assert headers.items() <= seen.headers.items()
    assert {"Host", "Accept-Encoding", "Accept", "Connection", "Content-Length", *headers} == set(seen.headers)
    assert (seen.path, seen.body) == ("/cb?a=1&b=%2F", b'{"title": "\\u53d8\\u66f4"}')


@pytest.mark.parametrize(("status", "method", "body"), [(302, "GET", b""), (301, "GET", b""), (307, "POST", None)])
def test_redirects_are_followed(status: int, method: str, body: bytes | None) -> None:
    """A 302 as a GET without body, whose answer counts; a 307 as it was."""
    with Receiver() as receiver:
        outcome, _ = deliver(receiver, Say(status=status, body=b"", headers={"Location": "/there"}), Say())
        first, second = receiver.seen

    assert (CallbackOutcome.DELIVERED, method, "/there") == (outcome, second.method, second.path)
    assert (first.body if body is None else body) == second.body
    assert (status == 307) == ("Content-Type" in second.headers)


def test_a_redirect_elsewhere_takes_no_authorization_along() -> None:
    """Another host or port does not see it; a redirect without an address ends there."""
    with Receiver() as receiver, Receiver() as other:
        answer = Say(status=303, body=b"", headers={"Location": f"{other.url}/x"})
        deliver(receiver, answer, headers={"Authorization": "Bearer x", "X-A": "1"})
        outcome, note = deliver(receiver, Say(status=302, body=b""))

    assert (other.seen[0].headers["X-A"], other.seen[0].headers.get("Authorization")) == ("1", None)
    assert (outcome, note) == (CallbackOutcome.FAILED, "HTTP 302")


def test_a_circle_of_redirects_ends() -> None:
    """Thirty, then it failed."""
    with Receiver() as receiver:
        circle = Say(status=302, body=b"", headers={"Location": "/cb"})

        assert deliver(receiver, *[circle] * 40) == (CallbackOutcome.FAILED, "ValueError")
        assert len(receiver.seen) == 30


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_packed_answer_is_unpacked(encoding: str) -> None:
    """It asked for that by its Accept-Encoding."""
    packer = zlib.compressobj(wbits=31 if encoding == "gzip" else 15)
    packed = packer.compress(GOOD) + packer.flush()
    with Receiver() as receiver:
        outcome, _ = deliver(receiver, Say(body=packed, headers={"Content-Encoding": encoding}))

    assert outcome == CallbackOutcome.DELIVERED


def test_closing_breaks_off_what_hangs() -> None:
    """A receiver that never answers does not hold up a closing sender; the callback is lost, not failed."""
    outcomes = []
    with Receiver() as receiver:
        receiver.hold.clear()
        sender = CallbackSender(timeout=PATIENCE)
        thread = threading.Thread(target=lambda: outcomes.append(sender.send(outgoing(f"{receiver.url}/x")).outcome))
        thread.start()
        receiver.wait(1)
        sender.close()
        thread.join(PATIENCE)
        outcomes.append(sender.send(outgoing(f"{receiver.url}/x")).outcome)

    assert outcomes == [CallbackOutcome.LOST, CallbackOutcome.LOST]


def test_a_receiver_that_never_answers_is_given_up_in_time() -> None:
    """The time-out is an argument."""
    with Receiver() as receiver:
        receiver.hold.clear()
        sent = CallbackSender(timeout=0.05).send(outgoing(f"{receiver.url}/x"))

    assert (sent.outcome, sent.note) == (CallbackOutcome.FAILED, "TimeoutError")


def test_nothing_secret_shows_in_a_repr() -> None:
    """Neither the token in the body nor the headers."""
    shown = repr(outgoing("http://127.0.0.1/x", headers={"Authorization": "hush"}, body={"token": "hush"}))

    assert "hush" not in shown


def test_tokens_look_random_and_verify() -> None:
    """All differ, all pass; the same seed gives the same."""
    random = Random(5)
    tokens = {issue(random) for _ in range(20)}

    assert len(tokens) == 20
    assert {88} == {len(token) for token in tokens}
    assert all(verify(token) and verify(f" {token}\n") for token in tokens)
    assert issue(Random(5)) in tokens


@pytest.mark.parametrize("token", ["", "x", "this is not base64 !!!", "令牌", "AQEB" * 22])
def test_other_texts_are_no_tokens(token: str) -> None:
    """Not an error, just false."""
    assert not verify(token)


def test_a_damaged_token_does_not_verify() -> None:
    """Start, middle, end or length: any damage counts; its first 16 bytes alone break the server."""
    good = issue(Random(0))
    damaged = [good[:40], good[1:], "A" + good[1:] if good[0] != "A" else "B" + good[1:], good[:-4] + "AAA="]

    assert [verify(token) for token in damaged] == [False] * 4
    with pytest.raises(TypeError, match="ord"):
        verify(good[:21] + "A==")


def test_the_body_is_what_json_dumps_writes() -> None:
    """Escaped to ASCII, with blanks after separators."""
    with Receiver() as receiver:
        deliver(receiver, body={"a": 1, "b": "é"})

        assert json.dumps({"a": 1, "b": "é"}).encode() == receiver.seen[0].body

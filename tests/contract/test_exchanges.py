"""Every recorded exchange, sent to a sandbox in the same situation."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.shapes import differences
from tests.contract.situations import AT_ONCE, BEFORE, opening, prepare, repeats, services_for, substitute
from tests.contract.tokens_recorded import carried_over
from tests.support.limits import PATIENCE
from tests.support.receiver import Receiver
from tests.support.recorded import Recording, recordings
from tests.support.stage import Cast, Heard, Stage, Standing, front

if TYPE_CHECKING:
    from collections.abc import Iterator

EXCHANGES = [recording for recording in recordings() if recording.is_exchange]
RECEIVER_THEN = "http://127.0.0.1:8901"
COMPARED_HEADERS = ("Content-Type", "Allow", "Vary", "Content-Language", "Location")
FIXED_DATA = frozenset({"get_services", "get_service_catalogs", "get_service_roles"})


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """A receiver for callbacks that the test does not read."""
    with Receiver() as listening:
        yield listening


@pytest.mark.parametrize("recording", EXCHANGES, ids=lambda recording: recording.name)
def test_the_sandbox_answers_as_bk_itsm_did(recording: Recording, receiver: Receiver) -> None:
    """Status, headers, envelope, shape and vocabulary are those of the recording."""
    with Stage(opening(recording), services=services_for(recording)) as stage:
        known = prepare(recording, stage)
        request = carried(recording, stage, known, receiver)

        if repeats(recording):
            stage.send(**request)
            if not recording.words & AT_ONCE:
                stage.pass_time()
        heard = stage.send(**request)

    assert mismatches(recording, heard, known) == []


HANGS = [recording for recording in EXCHANGES if "hangs" in recording.words]


@pytest.mark.parametrize("recording", HANGS, ids=lambda recording: recording.name)
def test_a_hanging_receiver_delays_withdrawals_and_terminations(recording: Recording) -> None:
    """They answer after the receiver does; an approval does not wait for it."""
    waits = recording.endpoint == "operate_ticket"
    with Receiver() as hanging, Stage(recording.at - BEFORE) as stage:
        hanging.hold.clear()
        sn = stage.ticket(Standing.STARTED, Cast(meta={"callback_url": f"{hanging.url}/hang"}))
        known = dict.fromkeys(recording.sns, sn)
        heard: list[Heard] = []
        request = carried(recording, stage, known, hanging)
        caller = threading.Thread(target=lambda: heard.append(stage.send(**request)))
        caller.start()
        if waits:
            sent = hanging.wait(1)[0].json
            status = stage.get("get_ticket_status", f"sn={sn}").json["data"]["current_status"]
            assert (sent["current_status"], []) == (status, heard)
        else:
            caller.join(PATIENCE)
            assert len(heard) == 1
        hanging.hold.set()
        caller.join(PATIENCE)

    assert mismatches(recording, heard[0], known) == []


def carried(recording: Recording, stage: Stage, known: dict[str, str], receiver: Receiver) -> dict[str, Any]:
    """Carry a recorded request over to a stage: numbers, field keys, tokens and the receiver's address."""
    request = recording.request
    body = request.get("body")
    if body is not None:
        body = substitute(body, known).replace(RECEIVER_THEN, receiver.url)
        for old, new in field_keys(stage).items():
            body = body.replace(old, new)
        if "token" in recording.asked:
            sent = json.loads(body)
            body = json.dumps({**sent, "token": carried_over(sent["token"], good_token(stage), recording)})
    return {
        "method": request["method"],
        "path": substitute(request["path"], known),
        "headers": front(request.get("headers", {})),
        "body": body,
    }


def field_keys(stage: Stage) -> dict[str, str]:
    """Pair the field keys that the recorded install drew with those of the sandbox's."""
    recorded = next(
        step["fields"]
        for recording in EXCHANGES
        if recording.endpoint == "get_ticket_status" and isinstance(recording.data, dict)
        for step in recording.data["current_steps"]
        if step["processors_type"] == "PERSON"
    )
    with stage.sandbox.locked() as ledger:
        own = ledger.step_keys(ledger.services[2])
    return {field["key"]: key for field, key in zip(recorded, own, strict=True)}


def good_token(stage: Stage) -> str:
    """Take the token of a callback that the sandbox sends."""
    with Receiver() as receiver:
        stage.ticket(Standing.APPROVED, Cast(meta={"callback_url": receiver.url}))
        token = receiver.wait(1)[0].json["token"]
    assert isinstance(token, str)
    return token


def mismatches(recording: Recording, heard: Heard, known: dict[str, str]) -> list[str]:
    """List how an answer differs from the recorded one."""
    expected = recording.response
    found = []
    if heard.status != expected["status"]:
        found.append(f"HTTP {heard.status} instead of {expected['status']}")
    for name in COMPARED_HEADERS if "headers" in expected else ():
        wanted = expected["headers"].get(name)
        wanted = substitute(wanted, known) if wanted else wanted
        if heard.headers.get(name) != wanted:
            found.append(f"{name}: {heard.headers.get(name)!r} instead of {wanted!r}")
    if recording.envelope is None:
        return found + other_body(expected.get("body", ""), heard)
    envelope = heard.json
    if envelope.get("code") != recording.envelope["code"]:
        found.append(f"code {envelope.get('code')!r} instead of {recording.envelope['code']!r}: {envelope['message']}")
    if recording.endpoint in FIXED_DATA and envelope.get("data") != recording.data:
        found.append("data differs")
    return found + differences(recording.envelope, envelope, lengths="cut here" not in recording.note)


def other_body(recorded: str, heard: Heard) -> list[str]:
    """Compare a body that is not JSON: a page by its type, a sentence by its words."""
    seen = heard.body.decode("utf-8")
    if recorded.startswith("<!DOCTYPE html"):
        return [] if seen.startswith("<!DOCTYPE html") else [f"no page: {seen[:40]!r}"]
    return [] if seen == recorded else [f"body {seen[:40]!r} instead of {recorded[:40]!r}"]

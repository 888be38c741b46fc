"""Every recorded callback, compared with the one a sandbox sends in the same situation."""

from __future__ import annotations

import json
import re
import ssl
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.shapes import differences
from tests.contract.situations import BEFORE
from tests.support.receiver import Receiver, Seen
from tests.support.recorded import Recording, recordings
from tests.support.stage import APPROVERS, Cast, Stage, Standing

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import datetime

CALLBACKS = [recording for recording in recordings() if recording.is_callback]
# A throw-away key and a certificate for another host name, made for this test; they protect nothing.
CERTIFICATE = Path(__file__).parent / "self_signed.pem"
STANDARD = {"Host", "User-Agent", "Accept-Encoding", "Accept", "Connection", "Content-Length", "Content-Type"}
WORDS = ("current_status", "approve_result", "last_approver", "title")
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}")
MOBILE_PAGE = re.compile(r"http://itsm\.example\.com/weixin/#/ticket/\d+/")


@pytest.mark.parametrize("recording", CALLBACKS, ids=lambda recording: recording.name)
def test_the_sandbox_calls_back_as_bk_itsm_did(recording: Recording) -> None:
    """Method, path, headers, the nine fields and their escaping are those of the recording; sent once."""
    expected = recording.request
    with _receiver(recording) as receiver, Stage(recording.at - BEFORE) as stage:
        sn = _drive(recording, stage, receiver.url)
        seen = receiver.wait(1)
        stage.pass_time(30)
        calls = [call for call in receiver.seen if call.json["sn"] == sn]

    chosen = calls[-1]
    assert (len(calls), calls) == (_expected_calls(recording), seen)
    assert (expected["method"], expected["path"]) == (chosen.method, chosen.path)
    assert _header_differences(expected["headers"], chosen.headers) == []
    assert _body_differences(expected["json"], chosen, sn) == []


def _receiver(recording: Recording) -> AbstractContextManager[Receiver]:
    if "https" not in recording.words:
        return Receiver()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return Receiver(context)


def _drive(recording: Recording, stage: Stage, url: str) -> str:
    """Bring a ticket to the callback that was recorded."""
    request = recording.request
    sent = request["json"]
    headers = {name: value for name, value in request["headers"].items() if name not in STANDARD}
    last = sent["last_approver"]
    people = sent["updated_by"].strip(",").split(",")
    cast = Cast(
        title=sent["title"],
        creator="admin" if "admin" in people else next(name for name in people if name != last),
        approvers=APPROVERS if not last or last in APPROVERS else (last, *APPROVERS),
        meta={"callback_url": url + request["path"], **({"headers": headers} if headers else {})},
    )
    status, revived = sent["current_status"], "revived" in recording.words
    if revived:
        sn = stage.ticket(Standing.REVIVED, cast)
    elif "suspended" in recording.words:
        sn = stage.ticket(Standing.SUSPENDED, cast)
    else:
        sn = stage.ticket(Standing.STARTED, cast)
    if status == "REVOKED" and not revived:
        stage.sandbox.withdraw(sn)
    elif status == "TERMINATED":
        stage.sandbox.terminate(sn)
    elif status == "FINISHED":
        decide = stage.sandbox.approve if sent["approve_result"] else stage.sandbox.reject
        decide(sn, approver=last or None)
        stage.pass_time()
    return sn


def _expected_calls(recording: Recording) -> int:
    """Return how many callbacks the ticket caused up to the recorded one."""
    if "revived" in recording.words and recording.request["json"]["current_status"] == "FINISHED":
        return 2
    return int(recording.content.get("times_sent", 1))


def _header_differences(recorded: dict[str, str], seen: dict[str, str]) -> list[str]:
    found = [f"{name} is missing" for name in recorded.keys() - seen.keys()]
    found += [f"{name} is new" for name in seen.keys() - recorded.keys()]
    varying = {"Host", "Content-Length"}
    return found + [
        f"{name}: {seen[name]!r} instead of {recorded[name]!r}"
        for name in (recorded.keys() & seen.keys()) - varying
        if seen[name] != recorded[name]
    ]


def _body_differences(recorded: dict[str, Any], seen: Seen, sn: str) -> list[str]:
    body = seen.json
    found = differences(recorded, body)
    found += [f"{name}: {body[name]!r}" for name in WORDS if body[name] != recorded[name]]
    if list(recorded) != list(body):
        found.append(f"order of fields {list(body)}")
    if json.dumps(body).encode("ascii") != seen.body:
        found.append("not escaped as json.dumps does")
    commas, people = _people(recorded["updated_by"])
    # Whether the last person to act is among them depends on the act, and the recorded server's order is not stable.
    if commas != _people(body["updated_by"])[0] or not _people(body["updated_by"])[1] <= people:
        found.append(f"updated_by {body['updated_by']!r}")
    if not TIME.fullmatch(body["update_at"]) or not MOBILE_PAGE.fullmatch(body["ticket_url"]) or body["sn"] != sn:
        found.append(f"{body['update_at']!r} {body['ticket_url']!r} {body['sn']!r}")
    return found + ([f"token of {len(body['token'])}"] if len(body["token"]) != len(recorded["token"]) else [])


def _people(text: str) -> tuple[bool, frozenset[str]]:
    """Take apart who changed a ticket; whether there are commas around counts, the order does not."""
    return text.startswith(","), frozenset(text.strip(",").split(","))


INSIDE = [recording for recording in recordings() if "inside" in recording.words]


@pytest.mark.parametrize("recording", [*INSIDE, None], ids=lambda recording: recording.name if recording else "rule")
def test_the_final_state_shows_inside_the_receiver(recording: Recording | None) -> None:
    """While the receiver holds the callback, both reads already show the end that the callback reports."""
    shown: list[tuple[str, str, bool]] = []
    with Receiver() as receiver, Stage(_when(recording)) as stage:

        def look(seen: Seen) -> None:
            sn = seen.json["sn"]
            status = stage.get("get_ticket_status", f"sn={sn}").json["data"]["current_status"]
            row = stage.post("ticket_approval_result", {"sn": [sn]}).json["data"][0]
            shown.append((status, row["current_status"], row["approve_result"]))

        receiver.inside = look
        stage.ticket(Standing.APPROVED, Cast(meta={"callback_url": receiver.url}))

    statuses, results = _told(recording)
    assert shown == [("FINISHED", "FINISHED", True)]
    assert statuses <= {shown[0][0]}
    assert results <= {shown[0][2]}


def _when(recording: Recording | None) -> datetime:
    chosen = recording if recording is not None and "at_utc" in recording.content else CALLBACKS[0]
    return chosen.at - BEFORE


def _told(recording: Recording | None) -> tuple[set[str], set[bool]]:
    """Collect what a recording told from inside, however it is laid out."""
    text = json.dumps(recording.content if recording else {}).replace('\\"', '"')
    statuses = set(re.findall(r'"current_status": ?"([A-Z]+)"', text))
    return statuses, {found == "true" for found in re.findall(r'"approve_result": ?(true|false)', text)}


def test_no_callback_without_a_url() -> None:
    """A ticket without a callback_url ends without a callback."""
    with Stage(CALLBACKS[0].at) as stage:
        stage.ticket(Standing.APPROVED)

        assert stage.sandbox.tickets()[0].callbacks == ()


@pytest.mark.parametrize("act", ["suspend", "resume"])
def test_no_callback_for_a_ticket_that_goes_on(act: str) -> None:
    """Suspending and resuming send no callback."""
    with Receiver() as receiver, nullcontext(Cast(meta={"callback_url": receiver.url})) as cast:
        with Stage(CALLBACKS[0].at) as stage:
            sn = stage.ticket(Standing.SUSPENDED, cast)
            if act == "resume":
                stage.sandbox.resume(sn)
            stage.pass_time()

        assert receiver.seen == []

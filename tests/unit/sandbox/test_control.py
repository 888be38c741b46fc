"""The surface by which other processes and people steer the sandbox."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.sandbox.control import is_local, plain
from tests.support.receiver import Receiver
from tests.support.stage import AT, Cast, Stage, Standing
from tests.unit.sandbox.test_faults import CREATE

if TYPE_CHECKING:
    from tests.support.recorded import Json


# --- The surface for other processes ------------------------------------------------------------------------------


def steer(stage: Stage, path: str, body: object = None) -> Json:
    """Call the control surface and return the JSON it answers."""
    raw = None if body is None else json.dumps(body)
    heard = stage.send(
        "GET" if body is None else "POST", f"/_sandbox/{path}", {"Content-Type": "application/json"}, raw
    )
    return {"status": heard.status, "json": heard.json}


def test_another_process_decides_tickets() -> None:
    """Approve, reject, withdraw, suspend, resume, terminate, duplicate: by number or id."""
    with Stage(AT) as stage:
        tickets = [stage.ticket(Standing.STARTED) for _ in range(5)]
        steer(stage, "approve/", {"sn": tickets[0], "approver": "bob", "remark": "yes"})
        steer(stage, "reject/", {"sn": 2})
        steer(stage, "withdraw/", {"sn": tickets[2]})
        steer(stage, "terminate/", {"sn": tickets[3], "operator": "bob"})
        steer(stage, "suspend/", {"sn": tickets[4]})
        suspended = stage.sandbox.tickets()[4].current_status
        resumed = steer(stage, "resume/", {"sn": tickets[4]})["json"]
        steer(stage, "duplicate_sn/", {"sn": 5})
        stage.pass_time()
        shown = steer(stage, "ledger/")["json"]

    assert [(one["current_status"], one["approve_result"]) for one in shown["tickets"]] == [
        ("FINISHED", True),
        ("FINISHED", False),
        ("REVOKED", False),
        ("TERMINATED", False),
        ("RUNNING", False),
        ("RUNNING", False),
    ]
    assert (suspended, resumed["current_status"]) == ("SUSPENDED", "RUNNING")
    assert {"now", "tickets", "failed_callbacks", "requests", "planned"} == set(shown)


def test_the_ledger_shown_holds_no_token() -> None:
    """Nor the headers and the address that a ticket's callbacks use."""
    with Receiver() as receiver, Stage(AT) as stage:
        meta = {"callback_url": f"{receiver.url}/hush", "headers": {"X": "hush"}}
        stage.ticket(Standing.APPROVED, Cast(meta=meta))
        token = receiver.wait(1)[0].json["token"]
        stage.ticket(Standing.CREATED)
        shown = json.dumps(steer(stage, "ledger/")["json"])

    assert "hush" not in shown
    assert token not in shown
    assert "shows its submit step" in shown


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("nothing/", None, 404),
        ("ledger/", {}, 404),
        ("approve/", {}, 400),
        ("approve/", [], 400),
        ("approve/", {"sn": "REQ19990101000001"}, 404),
        ("approve/", {"sn": 1, "approver": "mallory"}, 409),
        ("faults/", {"kind": "nonsense", "endpoint": "approve"}, 400),
        ("faults/", {"kind": "reset", "endpoint": "approve", "surprise": 1}, 400),
        ("release/", {"id": 5}, 404),
        ("faults/?id=x", None, 400),
    ],
)
def test_nonsense_is_told(path: str, body: object, status: int) -> None:
    """400 for nonsense, 404 for what is not there, 409 for what BK-ITSM would refuse."""
    with Stage(AT) as stage:
        stage.ticket(Standing.STARTED)
        heard = steer(stage, path, body)

    assert status == heard["status"]
    assert heard["json"]["error"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"kind": "nonsense", "endpoint": "approve"}, "'nonsense' is not a kind of fault; the kinds are lose_answer, "),
        ({"kind": "reset", "endpoint": "aprove"}, "'aprove' is not an endpoint; the endpoints are create_ticket, "),
        ({"kind": "reset", "endpoint": "approve", "nht": 2}, "A fault has no 'nht'; it has kind, endpoint, nth, "),
    ],
)
def test_a_fault_that_would_never_apply_is_refused_with_what_there_is(fault: dict[str, object], said: str) -> None:
    """Not armed and forgotten."""
    with Stage(AT) as stage:
        heard = steer(stage, "faults/", fault)
        assert heard["json"]["error"].startswith(said)
        assert stage.sandbox.faults.armed() == ()


def test_a_body_that_is_no_json_is_told() -> None:
    """As 400."""
    with Stage(AT) as stage:
        answer = stage.send("POST", "/_sandbox/approve/", {}, "no")
        assert (answer.status, json.loads(answer.body)) == (400, {"error": "The body is not JSON."})


@pytest.mark.parametrize(
    ("client", "host", "local"),
    [
        ("127.0.0.1", "127.0.0.1:80", True),
        ("::1", "[::1]:80", True),
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "evil.example", False),
        ("10.0.0.1", "127.0.0.1", False),
        ("127.0.0.1", "", False),
        ("nowhere", "localhost", False),
    ],
)
def test_only_this_machine_may_steer(client: str, host: str, local: bool) -> None:  # noqa: FBT001 - a parameter
    """Address and Host header must both be local."""
    assert local == is_local(client, host)


def test_a_web_page_from_elsewhere_may_not_steer() -> None:
    """A browser names the page that calls; only one of this machine is heard."""
    with Stage(AT) as stage:
        origins = ("https://evil.example", "null", "http://127.0.0.1:9")
        statuses = [stage.send("GET", "/_sandbox/ledger/", {"Origin": origin}).status for origin in origins]

    assert statuses == [403, 403, 200]


def test_a_strange_host_header_is_refused() -> None:
    """As a rebound name in a browser sends it."""
    with Stage(AT) as stage:
        assert [stage.send("GET", path, {"Host": "evil.example"}).status for path in ("/", "/_sandbox/ledger/")] == [
            403,
            403,
        ]


def test_values_become_plain_json() -> None:
    """Times carry their zone."""
    assert plain({"at": AT, "all": (1, None)}) == {"at": "2026-11-24T18:30:00+00:00", "all": [1, None]}


CHILD = """
import json, sys, urllib.request
root = sys.argv[1]
def call(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(root + "/_sandbox/" + path, data=data)) as answer:
        return json.load(answer)
number = call("faults/", {"kind": "hold", "endpoint": "create_ticket"})["id"]
print("armed", flush=True)
reached = call(f"faults/?id={number}&wait=20")["reached"]
stored = len(call("ledger/")["tickets"])
held = call("faults/")[0]["hits"]
call("release/", {"id": number, "drop": len(sys.argv) > 2})
call("clear/", {})
print(json.dumps([reached, stored, held]))
"""


@pytest.mark.parametrize("dropped", [False, True])
def test_a_real_other_process_holds_and_lets_go(dropped: bool) -> None:  # noqa: FBT001 - a parameter
    """It arms a hold, learns that the ticket is stored, and releases or drops the answer."""
    with Stage(AT) as stage:
        command = [sys.executable, "-c", CHILD, stage.sandbox.root, *["drop"] * dropped]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "armed\n"
            try:
                answered = stage.post("create_ticket", CREATE).json["result"]
            except http.client.RemoteDisconnected:
                answered = False
            told = json.loads(child.stdout.read())

    assert ([True, 1, 1], not dropped) == (told, answered)

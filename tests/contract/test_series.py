"""The recorded series of experiments: receivers that misbehave, races, revivals, callbacks that overtake answers."""

from __future__ import annotations

import re
import socket
import threading
from functools import cache
from typing import Any

import pytest

from itsm_workflow.sandbox import DEFAULT_SERVICES, Refusal, self_finishing
from tests.contract.shapes import differences
from tests.support.limits import PATIENCE
from tests.support.receiver import Receiver, Say
from tests.support.recorded import Recording, recordings
from tests.support.stage import AT, Cast, Heard, Stage, Standing

MATRIX = [(recording, row) for recording in recordings() for row in recording.content.get("matrix", ())]
REVIVED = [(recording, row) for recording in recordings() for row in recording.content.get("tries", ())]
RACES = [
    (recording, pair, row)
    for recording in recordings()
    for name, races in recording.content.items()
    if name.endswith("_set")
    for pair, rows in races.items()
    for row in rows
]
OVERTAKING = [recording for recording in recordings() if "celery_eager_in_the_web_process" in recording.content]


@pytest.mark.parametrize("row", [row for _, row in MATRIX], ids=[row["receiver"][:24] for _, row in MATRIX])
def test_a_receiver_is_judged_as_bk_itsm_judges(row: dict[str, Any]) -> None:
    """The number of callbacks, the list of failures and the status are those of the recorded row."""
    with Receiver() as receiver, Stage(AT, race_window=0.1 if "two callbacks" in row["receiver"] else 0) as stage:
        sn = _call_back(row, stage, receiver)
        status = stage.sandbox.ticket(sn).current_status
        failed = stage.get("callback_failed_ticket").json["data"]
        sent = [seen for seen in receiver.seen if seen.method == "POST"]

    assert row["current_status"] == status
    assert row["in_callback_failed_ticket"] == (sn in failed)
    assert row["times_sent_within_30s"] == len(sent)
    for known, seen in zip(
        row.get("followed_with", ()), [seen for seen in receiver.seen if seen.method != "POST"], strict=True
    ):
        assert (known["method"], known["body"]) == (seen.method, seen.body.decode())
        assert known["headers"].keys() == seen.headers.keys()


def _call_back(row: dict[str, Any], stage: Stage, receiver: Receiver) -> str:
    """Let a ticket end whose receiver behaves as a row says."""
    name, answer = row["receiver"], row.get("answer")
    meta: dict[str, Any] = {"callback_url": f"{receiver.url}/cb"}
    receiver.answers = _answers(answer, receiver)
    if "headers_int" in name:
        meta["headers"] = {"X-N": 5}
    elif "headers_nl" in name:
        meta["headers"] = {"X-N": "a\r\nX-M: b"}
    elif name == "badurl":
        meta["callback_url"] = "not a url"
    elif name == "refused":
        meta["callback_url"] = f"http://127.0.0.1:{_free_port()}/"
    elif name == "no_callback":
        meta = {}
    if "two callbacks" in name:
        receiver.answers = [Say(status=500), Say()]
        sn = stage.ticket(Standing.STARTED, Cast(meta=meta))
        stage.sandbox.withdraw(sn)
        stage.sandbox.withdraw(sn)
        return sn
    sn = stage.ticket(Standing.DECIDED, Cast(meta=meta))
    if "held open" in name:
        _hold(stage, receiver, killed="killed" in name)
    else:
        stage.pass_time()
    stage.pass_time(30)
    return sn


def _answers(answer: object, receiver: Receiver) -> list[Say]:
    if isinstance(answer, dict):
        return [Say(status=answer["status"], body=answer["body"].encode(), content_type=answer["content_type"])]
    if isinstance(answer, str) and "closed" in answer:
        return [Say(close=True)]
    if isinstance(answer, str):
        status, target = re.fullmatch(r"(\d+) to (\S+)", answer).groups()  # type: ignore[union-attr]  # or the row is new
        return [Say(status=int(status), body=b"", headers={"Location": receiver.url + target})]
    return []


def _hold(stage: Stage, receiver: Receiver, *, killed: bool) -> None:
    receiver.hold.clear()
    worker = threading.Thread(target=stage.pass_time)
    worker.start()
    receiver.wait(1)
    if killed:
        stage.sandbox._sender.close()  # what a killed worker leaves behind
    else:
        receiver.hold.set()
    worker.join(PATIENCE)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("pair", "row"), [(pair, row) for _, pair, row in RACES], ids=[f"{pair}-{row['sn'][-3:]}" for _, pair, row in RACES]
)
def test_a_race_can_end_as_recorded(pair: str, row: dict[str, Any]) -> None:
    """Two acts at the same instant: some order and some random choice give the recorded answers, end and callbacks."""
    assert _outcome(row) in _outcomes(pair)


@cache
def _outcomes(pair: str) -> list[dict[str, Any]]:
    """Run a race in every order and with every luck."""
    return [
        _race(pair, first, jam_chance=jam_chance, race_window=window)
        for first in (0, 1)
        for jam_chance in (0.0, 1.0)
        for window in (0.0, 0.1)
    ]


def _race(pair: str, first: int, **options: float) -> dict[str, Any]:
    acts = re.split(r" vs | ", pair.replace(" same person", ""))
    if acts[-1] == "twice":
        acts = [acts[0], acts[0]]
    people = ["alice", "alice" if "same person" in pair else "bob"]
    with Receiver() as receiver, Stage(AT, **options) as stage:
        sn = stage.ticket(Standing.STARTED, Cast(meta={"callback_url": receiver.url}))
        answers: list[bool] = [False, False]
        for place in (first, 1 - first):
            answers[place] = _act(stage, acts[place], sn, people[place]).json["result"]
        stage.pass_time(6)
        row = stage.post("ticket_approval_result", {"sn": [sn]}).json["data"][0]
        told = [(seen.json["current_status"], seen.json["approve_result"]) for seen in receiver.seen]
    return {"answers": answers, "end": (row["current_status"], row["approve_result"]), "told": told}


def _outcome(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "answers": [answer["result"] for answer in row["answers"]],
        "end": (row["current_status"], row["approve_result"]),
        "told": [(callback["current_status"], callback["approve_result"]) for callback in row["callbacks"]],
    }


def _act(stage: Stage, act: str, sn: str, person: str) -> Heard:
    if act in {"approve", "reject"}:
        verdict = "true" if act == "approve" else "false"
        body = {"sn": sn, "state_id": 15, "approver": person, "action": verdict, "remark": "x"}
        return stage.post("approve", body)
    operator = "admin" if act == "withdraw" else person
    body = {"sn": sn, "operator": operator, "action_type": act.upper(), "action_message": "x"}
    return stage.post("operate_ticket", body)


@pytest.mark.parametrize("row", [row for _, row in REVIVED], ids=[row["sn"][-3:] for _, row in REVIVED])
def test_a_withdrawal_before_the_start_can_end_as_recorded(row: dict[str, Any]) -> None:
    """Withdrawn early, a ticket stays revoked or revives, and a revived one can be approved with a second callback.

    What the recorded server lost to luck is not imitated: a withdrawal refused, an approval without effect.
    """
    revives = bool(row["steps"])
    with Receiver() as receiver, Stage(AT, revive_chance=float(revives)) as stage:
        sn = stage.ticket(Standing.CREATED, Cast(meta={"callback_url": receiver.url}))
        stage.pass_time(row["seconds_between_create_answer_and_withdraw"])
        if row["withdraw"]:
            assert _act(stage, "withdraw", sn, "admin").json["result"]
        stage.pass_time(3)
        shown = stage.get("get_ticket_status", f"sn={sn}").json["data"]
        approved = _act(stage, "approve", sn, "alice").json["result"]
        stage.pass_time(3)
        told = [seen.json["current_status"] for seen in receiver.seen]
        end = stage.sandbox.ticket(sn).current_status

    assert row["status_after_3s"] == shown["current_status"]
    assert row["steps"] == [step["status"] for step in shown["current_steps"]]
    assert (row["approve"] == "success") == approved
    if row["approve"] != "success" or row["status_at_end"] == "FINISHED":
        assert (row["status_at_end"], row["callbacks"]) == (end, told)


@pytest.mark.parametrize("recording", OVERTAKING, ids=lambda recording: recording.name)
@pytest.mark.parametrize("eager", [False, True], ids=["separate_worker", "eager"])
def test_a_callback_can_overtake_the_create(recording: Recording, eager: bool) -> None:  # noqa: FBT001 - a parameter
    """A self-finishing ticket calls back after the create's answer, or before it where the flow runs eagerly."""
    rows = recording.content["celery_eager_in_the_web_process" if eager else "separate_celery_worker"]
    early = {row["callback_minus_response_seconds"] < 0 for row in rows}
    services = (*DEFAULT_SERVICES, self_finishing(14))
    with Receiver() as receiver, Stage(AT, services=services) as stage:
        if eager:
            stage.sandbox.faults.early_callback()
        fields = [{"key": "title", "value": "auto"}]
        meta = {"callback_url": receiver.url}
        answer = stage.post("create_ticket", {"service_id": 14, "creator": "admin", "fields": fields, "meta": meta})
        before = len(receiver.seen) == 1
        stage.pass_time()
        body = receiver.wait(1)[0].json

    assert {before} == early
    assert answer.json["data"]["sn"] == body["sn"]
    example = recording.content["example_callback_body"]
    assert differences(example, body) == []
    assert (example["updated_by"], example["last_approver"]) == (body["updated_by"], body["last_approver"])


def test_a_dead_withdrawal_refuses_decisions() -> None:
    """A ticket that did not revive has no step that could be decided."""
    with Stage(AT, revive_chance=0.0) as stage:
        sn = stage.ticket(Standing.CREATED)
        stage.sandbox.withdraw(sn)
        stage.pass_time(3)

        with pytest.raises(Refusal, match="RUNNING"):
            stage.sandbox.approve(sn)

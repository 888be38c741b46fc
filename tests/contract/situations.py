"""From a recording to the situation it was made in: which tickets there must be, and where they stand.

Derived from the recording itself (what was asked, which status words were answered, the words of its name and note),
so that a recording added later finds its situation too. What says nothing gets a running ticket of admin's that waits
for alice or bob.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.sandbox import DEFAULT_SERVICES, self_finishing
from itsm_workflow.sandbox.times import SHANGHAI
from tests.support.recorded import NOBODYS_DAY, SN, Recording
from tests.support.stage import APPROVERS, Cast, Stage, Standing

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

    from itsm_workflow.sandbox import Service

BEFORE = timedelta(minutes=10)
LISTS = frozenset({"ticket_approval_result", "get_tickets", "get_tickets_by_user"})
ACTS = frozenset({"operate_ticket", "operate_node", "approve"})
AGAIN = frozenset({"second", "again", "twice"})
AT_ONCE = frozenset({"fast", "immediately", "simultaneous"})
NO_TICKET = 3900022
STUCK_CODE = 3900019
REFUSING_PORT = "http://127.0.0.1:1/"
BY_WORD = {"FINISHED": Standing.APPROVED, "TERMINATED": Standing.TERMINATED, "REVOKED": Standing.REVOKED}
OVER = ("已关闭", "已经结束", "非RUNNING", "revoked")


def opening(recording: Recording) -> datetime:
    """Return when to begin with the situation: early enough, and inside the window that a filter has."""
    since = local_time(recording.asked.get("create_at__gte"))
    if since is not None and since < recording.at:
        return since + timedelta(seconds=1)
    return recording.at - BEFORE


def services_for(recording: Recording) -> tuple[Service, ...]:
    """Name the services a recording needs: the built-in ones, and what the recorded install had besides."""
    asked = recording.asked.get("service_id")
    if isinstance(asked, int) and recording.succeeded and asked not in {known.id for known in DEFAULT_SERVICES}:
        return (*DEFAULT_SERVICES, self_finishing(asked))
    return DEFAULT_SERVICES


def local_time(text: object) -> datetime | None:
    """Read a time without a zone as the recorded server meant it."""
    try:
        naive = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return naive.replace(tzinfo=SHANGHAI) if naive.tzinfo is None else None


def prepare(recording: Recording, stage: Stage) -> dict[str, str]:
    """Bring a stage to a recording's situation.

    Returns:
        The sandbox's number for each recorded one, in upper case.
    """
    listing = recording.endpoint in LISTS
    if recording.endpoint == "callback_failed_ticket":
        known = _failed(recording, stage)
    elif listing and "immediately" not in recording.words:
        known = _listed(recording, stage)
    else:
        # At the recorded moment itself, since what was just done must not get older.
        stage.set_time(recording.at)
        return _listed(recording, stage) if listing else _single(recording, stage)
    stage.set_time(recording.at)
    return known


def repeats(recording: Recording) -> bool:
    """Return whether the recorded call was the second of two equal ones."""
    return bool(recording.words & AGAIN)


def substitute(text: str, known: Mapping[str, str]) -> str:
    """Put the sandbox's numbers in place of recorded ones, in the case they were written in."""

    def replace(found: re.Match[str]) -> str:
        recorded = found[0]
        new = known.get(recorded.upper(), NOBODYS_DAY + recorded[len(NOBODYS_DAY) :])
        return new.lower() if recorded.islower() else new

    return SN.sub(replace, text)


def _failed(recording: Recording, stage: Stage) -> dict[str, str]:
    asked_for = [None] if "ticket_approval_result" in f"{recording.name} {recording.note}" else []
    known = {}
    for recorded in [*(recording.data or ()), *asked_for]:
        sn = stage.ticket(Standing.APPROVED, Cast(meta={"callback_url": REFUSING_PORT}))
        if recorded is None:
            stage.post("ticket_approval_result", {"sn": [sn]})
        else:
            known[recorded] = sn
    return known


def _listed(recording: Recording, stage: Stage) -> dict[str, str]:
    rows, data, asked = recording.rows, recording.data, recording.asked
    known: dict[str, str] = {}
    newer = older = 0
    if isinstance(data, dict) and "count" in data:
        newer = (int(data["page"]) - 1) * int(asked.get("page_size") or 10)
        older = int(data["count"]) - newer - len(rows)
    standing, filler = _filler(recording)
    if not rows:
        # Something that must not be found.
        stage.ticket(Standing.STARTED, Cast(tag="another"))
        for sn in recording.sns if isinstance(asked.get("sn", asked.get("sns")), str) else ():
            known[sn] = stage.ticket(Standing.STARTED)
    for _ in range(older):
        stage.ticket(standing, filler)
    for row in reversed(rows):
        if row["sn"] in known:
            stage.sandbox.duplicate_sn(known[row["sn"]])
        else:
            meta = {**(row.get("meta") or {}), "callback_url": REFUSING_PORT}
            creator = str(row.get("creator") or filler.creator)
            cast = attrs.evolve(filler, title=row["title"], creator=creator, meta=meta)
            known[row["sn"]] = stage.ticket(standing_of(row, recording), cast)
    for _ in range(newer):
        stage.ticket(standing, filler)
    if "page_size=0" in recording.note:
        stage.post("get_tickets", {"page_size": 0})
        stage.ticket(standing, filler)
    return known


def _filler(recording: Recording) -> tuple[Standing, Cast]:
    """Make up tickets that match a filter too, in addition to those that the answer shows."""
    asked = recording.asked
    view = asked.get("view_type", "my_created")
    creator = asked.get("creator") or (asked.get("user") if view == "my_created" else None) or "admin"
    person = asked.get("username") or (asked.get("user") if view != "my_created" else None)
    approvers = (str(person), *APPROVERS) if person and person not in APPROVERS else APPROVERS
    cast = Cast(title="one of many", creator=str(creator), approvers=approvers, tag=asked.get("tag"))
    statuses = asked.get("current_status__in")
    if isinstance(statuses, list) and statuses and statuses[0] in BY_WORD:
        return BY_WORD[statuses[0]], cast
    if any(name.startswith("end_at") for name in asked):
        return Standing.APPROVED, cast
    return (Standing.STARTED if person else Standing.CREATED), cast


def _single(recording: Recording, stage: Stage) -> dict[str, str]:
    wanted = [sn for sn in recording.sns if not sn.startswith(NOBODYS_DAY)]
    code = recording.envelope.get("code") if isinstance(recording.envelope, dict) else None
    if not wanted or (code == NO_TICKET and "sn" in recording.asked and recording.request["method"] != "GET"):
        return {}
    standing = _standing(recording)
    cast = _cast(recording, standing)
    known = {sn: stage.ticket(standing, cast) for sn in wanted}
    if "returned more than one" in recording.message:
        for sn in known.values():
            stage.sandbox.duplicate_sn(sn)
    return known


def standing_of(row: Mapping[str, Any], recording: Recording) -> Standing:
    """Return the status of a ticket that an answer shows."""
    status, steps, words = row["current_status"], row.get("current_steps"), recording.words
    if status == "RUNNING":
        if steps is not None and not steps:
            return Standing.CREATED
        if steps and steps[0].get("processors_type") == "OPEN":
            return Standing.SUBMITTING
        if "stuck" in words:
            return Standing.STUCK
        return Standing.DECIDED if {"immediately", "approve"} <= words else Standing.STARTED
    if status == "SUSPENDED":
        return Standing.SUSPENDED_TWICE if words & {"double", "twice"} else Standing.SUSPENDED
    if status == "REVOKED" and steps:
        return Standing.REVIVED
    if status == "FINISHED" and (row.get("approve_result") is False or "rejected" in words):
        return Standing.REJECTED
    return BY_WORD[status]


def _standing(recording: Recording) -> Standing:
    data = recording.data
    if isinstance(data, dict) and "current_status" in data:
        return standing_of(data, recording)
    if isinstance(data, dict) and "logs" in data:
        return _standing_of_logs(data["logs"])
    if isinstance(data, dict) and "approve_result" in data:
        return Standing.APPROVED if data["approve_result"] else Standing.REJECTED
    if isinstance(data, dict) and data.get("approver"):
        return Standing.APPROVED
    if recording.endpoint in ACTS:
        return _standing_before_act(recording)
    return Standing.STARTED


def _standing_of_logs(logs: list[dict[str, Any]]) -> Standing:
    text = " ".join(str(line["message"]) for line in logs)
    if not logs:
        return Standing.CREATED
    if "结束" not in text:
        return Standing.STARTED
    if "撤" in text:
        return Standing.REVOKED
    if "终止" in text:
        return Standing.TERMINATED
    return Standing.REJECTED if "拒绝" in text else Standing.APPROVED


def _standing_before_act(recording: Recording) -> Standing:
    words, message, asked = recording.words, recording.message, recording.asked
    code = recording.envelope.get("code") if isinstance(recording.envelope, dict) else None
    unsuspends = asked.get("action_type") == "UNSUSPEND"
    if unsuspends and (recording.succeeded or repeats(recording)):
        return Standing.SUSPENDED_TWICE if "double" in words else Standing.SUSPENDED
    if "stuck" in words or code == STUCK_CODE:
        return Standing.STUCK
    if not recording.succeeded:
        if any(part in message for part in OVER) and not repeats(recording):
            return Standing.APPROVED
        signed = "不是当前节点的审批人" in message and asked.get("approver") in APPROVERS
        return Standing.STUCK if signed and not repeats(recording) else Standing.STARTED
    if "immediately" in words:
        return Standing.CREATED
    if words & {"revived", "revoked"}:
        return Standing.REVIVED
    return Standing.SUSPENDED if "suspended" in words else Standing.STARTED


def _cast(recording: Recording, standing: Standing) -> Cast:
    data, asked = recording.data if isinstance(recording.data, dict) else {}, recording.asked
    operator = asked.get("operator") or asked.get("approver")
    creator = data.get("creator") or "admin"
    approvers: tuple[str, ...] = APPROVERS
    actor = data.get("approver") or data.get("processed_user") or None
    if recording.succeeded and recording.endpoint in ACTS:
        if asked.get("action_type") == "WITHDRAW":
            creator = operator
        elif operator not in approvers:
            approvers = (str(operator), *approvers)
    if standing is Standing.STUCK and recording.endpoint in ACTS:
        code = recording.envelope["code"]
        actor = (
            next(name for name in approvers if (name == operator) != (code == STUCK_CODE))
            if operator in approvers
            else None
        )
    fields = data.get("fields") or []
    first = next((place for place, field in enumerate(fields) if field["key"] == "title"), 0)
    return Cast(
        creator=str(creator),
        approvers=approvers,
        actor=actor,
        dynamic=tuple((field["name"], field["type"], field["value"]) for field in fields[:first]),
    )

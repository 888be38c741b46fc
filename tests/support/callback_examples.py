"""Callbacks as BK-ITSM sends them, and the addresses that receive them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from itsm_workflow.callbacks.parse import Incoming, read_callback
from itsm_workflow.callbacks.signer import CallbackSigner
from itsm_workflow.secrets import Secret
from tests.support.desk import ASKED, SUBJECT, Desk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow import ChangeRequest, Workflow
    from itsm_workflow.callbacks.parse import Callback, CallbackResponse

HOST = "https://logs.example.com"
CHANGE = "01HY2V8Q0000000000000000AB"
OTHER = "01HY2V8Q0000000000000000CD"
OLD, KEY, NEW = (Secret(f"{name}-callback-key-0123456789-0123456789") for name in ("old", "our", "new"))
ADDRESS = CallbackSigner(host=HOST, keys=(KEY,))
TOKEN = "bbzgXnFSjPMTc0hjCOmWvId3UwSJkMQS6F7y2kS/5wp7pWrlonHlcJGb4LuiAxbm"
FACTS: Mapping[str, Any] = {
    "title": "接入 nginx 日志",
    "current_status": "FINISHED",
    "sn": "REQ20240517000007",
    "ticket_url": "http://itsm.example.com/weixin/#/ticket/7/",
    "update_at": "2024-05-17 16:00:20.729841",
    "updated_by": ",alice,bob,",
    "approve_result": True,
    "token": TOKEN,
    "last_approver": "bob",
}


def body(facts: Mapping[str, Any] = FACTS, /, **changes: object) -> bytes:
    """Return the body of a callback, with some facts changed."""
    return json.dumps({**facts, **changes}).encode()


def place(change_id: str = CHANGE, number: int = 1, *, address: CallbackSigner = ADDRESS) -> dict[str, Any]:
    """Return the path and the headers of a callback for an attempt, as the create request asks for them."""
    url, headers = address.make(change_id, number)
    given = {name: value.reveal() for name, value in headers.items()}
    return {"path": url.reveal().removeprefix(HOST), "headers": {"Content-Type": "application/json", **given}}


def read(address: CallbackSigner, *, method: str = "POST", **parts: Any) -> Callback | CallbackResponse:
    """Return the callback of a request, or the answer that refuses it."""
    return read_callback(address, Incoming(method=method, **parts))


def address_of(workflow: Workflow) -> CallbackSigner:
    """Return the callback addresses of a workflow."""
    settings = workflow._settings
    assert settings is not None
    return CallbackSigner(host=HOST, keys=settings.callback_keys)


def knock(workflow: Workflow, change_id: str, sent: bytes = body(), *, number: int = 1) -> CallbackResponse:
    """Send a workflow an authentic callback about a change."""
    where = place(change_id, number, address=address_of(workflow))
    return workflow.receive(method="POST", body=sent, **where)


def opened(**options: Any) -> tuple[Desk, Workflow, ChangeRequest]:
    """Open a desk, a workflow and a change that waits for its approvers."""
    desk = Desk()
    workflow = desk.workflow(**options)
    return desk, workflow, workflow.apply(subject=SUBJECT, **ASKED)

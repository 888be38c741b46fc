"""A handler without the library, as the log platform has one: it files tickets and remembers their numbers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from itsm_workflow.bkapi.client import ApiClient
from itsm_workflow.gateway.bk_itsm.wire import CREATE_TICKET

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from itsm_workflow import Settings
    from itsm_workflow.gateway.bk_itsm.wire import CreatedTicket

TITLE = "接入 nginx 日志"
CONTENT = "请审批"


def file_ticket(
    settings: Settings,
    *,
    title: str = TITLE,
    creator: str = "alice",
    approvers: Iterable[str] = ("carol", "dave"),
    service: int | None = None,
    fields: Mapping[str, object] | None = None,
    callback_url: str = "",
) -> CreatedTicket:
    """File a ticket as the handler did: no key, no credential; without a service, by the built-in one."""
    values: dict[str, object] = {"title": title}
    if service is None:
        values |= {"APPROVER": ",".join(approvers), "APPROVAL_CONTENT": CONTENT}
    body: dict[str, object] = {
        "creator": creator,
        "operator": creator,
        "bk_username": "admin",
        "fields": [{"key": key, "value": value} for key, value in {**values, **(fields or {})}.items()],
        **({"fast_approval": True} if service is None else {"service_id": service}),
        **({"meta": {"callback_url": callback_url}} if callback_url else {}),
    }
    with contextlib.closing(ApiClient(settings)) as client:
        return client.call(CREATE_TICKET, body)


def write_rows(path: Path, *rows: tuple[object, ...], columns: str = "subject,sn,status") -> str:
    """Write the handler's table as a CSV file, and return its name."""
    lines = [columns, *(",".join(map(str, row)) for row in rows)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)

"""A host in Flask and the same host in FastAPI, for tests: who the person is, and what is permitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELDS = {
    "expect_access_data": "2026-12-01",
    "single_log_size": 500,
    "single_host_peak": 100,
    "single_host_log_volume": 1.5,
    "expect_host_size": 10,
    "log_keep_days": 7,
    "hot_data_days": 3,
    "apply_reason": "排查问题",
}
APPLICATION = {**FIELDS, "title": "接入 nginx 日志", "approvers": ["carol"]}
USER = "X-User"
"""The header with the user name; a real host has a login."""


def may(person: str, action: str, collector: str) -> bool:
    """Permit everything to alice, and to others to look at collector 7."""
    return person == "alice" or (action, collector) == ("view", "7")


def with_title(collector: str, body: dict[str, object]) -> Mapping[str, object]:
    """Complete an application without a title."""
    return {"title": f"采集项 {collector}", **body}

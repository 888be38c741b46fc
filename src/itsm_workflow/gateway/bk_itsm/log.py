"""The deciders of a BK-ITSM ticket, from its log.

The log of a step contains more than decisions: lines of a transfer to another approver, a claim and a withdrawal have
the same kind of step. Only a decision has a form that contains the verdict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from itsm_workflow.bkapi.envelope import clean
from itsm_workflow.change import Decider
from itsm_workflow.gateway.bk_itsm.page import server_moment
from itsm_workflow.gateway.checked import capped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.gateway.bk_itsm.wire import LogLine

_DECIDING_STEPS = ("APPROVAL", "SIGN")
_CHOICES = ("RADIO", "SELECT")
_VERDICTS = ("true", "false")
# The server's own names, in the languages of its installations. The designer of a flow may choose other names.
_VERDICT_NAMES = ("审批意见", "会签意见", "Approval suggestion", "Sign suggestion")
_REMARK_NAMES = ("备注", "Remarks")
_THE_SERVER_ITSELF = "system"


def deciders_in(lines: Sequence[LogLine]) -> tuple[Decider, ...]:
    """Return the people who decided in approval steps, oldest first.

    A step that the server passed by itself because it had no approver left has no decider. A step that the server
    passed because the applicant is among the approvers is the applicant's own decision.
    """
    return capped(tuple(decider for decider in map(_decider, lines) if decider is not None))


def _decider(line: LogLine) -> Decider | None:
    user = clean(line.operator, limit=64)
    if line.from_state_type not in _DECIDING_STEPS or user in {"", _THE_SERVER_ITSELF}:
        return None
    fields = [field for field in line.form_data if isinstance(field, dict)] if isinstance(line.form_data, list) else []
    choices = [field for field in fields if field.get("type") in _CHOICES and field.get("value") in _VERDICTS]
    if not choices:
        return None
    verdicts = {field["value"] for field in _named(choices, _VERDICT_NAMES)}
    return Decider(
        user=user,
        approved=verdicts == {"true"} if len(verdicts) == 1 else None,
        remark=_remark(fields),
        at=server_moment(line.operate_at),
    )


def _remark(fields: Sequence[dict[str, Any]]) -> str:
    texts = [field for field in fields if field.get("type") == "TEXT" and isinstance(field.get("value"), str)]
    return next((text for text in (clean(field["value"]) for field in _named(texts, _REMARK_NAMES)) if text), "")


def _named(fields: Sequence[dict[str, Any]], names: tuple[str, ...]) -> Sequence[dict[str, Any]]:
    """Return the fields with one of the server's own names, or all if the flow's designer renamed each of them."""
    return [field for field in fields if field.get("name") in names] or fields

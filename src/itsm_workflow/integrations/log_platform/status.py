"""The log platform's own status of a collector, by the collector's newest change.

::

    status = collector_status(workflow.newest("collector-42"))
    page = {"collect_itsm_status": status.value, "collect_itsm_status_display": status.label}
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from itsm_workflow.machine.approval import COLLECTOR_CHANGE

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition


class CollectorStatus(enum.StrEnum):
    """The four words that the log platform stores and shows as ``collect_itsm_status``."""

    NOT_APPLY = "not_apply"
    """No change was submitted."""
    APPLYING = "applying"
    """A change was submitted and has not ended."""
    SUCCESS_APPLY = "success_apply"
    """The change is in a state that grants, such as ``approved``."""
    FAIL_APPLY = "fail_apply"
    """The change ended in a state that does not grant, such as ``rejected``."""

    @property
    def label(self) -> str:
        """The platform's text for its pages, ``collect_itsm_status_display``."""
        return _LABELS[self]


_LABELS = {
    CollectorStatus.NOT_APPLY: "未申请采集接入",
    CollectorStatus.APPLYING: "采集接入进行中",
    CollectorStatus.SUCCESS_APPLY: "采集接入完成",
    CollectorStatus.FAIL_APPLY: "采集接入失败",
}


def collector_status(
    change: ChangeRequest | None, definition: WorkflowDefinition = COLLECTOR_CHANGE
) -> CollectorStatus:
    """Return the status of a subject by its newest change.

    Args:
        change: The subject's newest change, as `Records.newest` returns it; None if the subject has none.
        definition: The change's definition.

    Raises:
        ValueError: The definition does not have the change's state.
    """
    if change is None:
        return CollectorStatus.NOT_APPLY
    states = [state.value for state in definition.states]
    if change.state not in states:
        raise ValueError(
            f"{change.state!r} is not a state of {definition.name}, whose states are {', '.join(states)}; "
            "pass the change's own definition: collector_status(change, definition)"
        )
    if change.state == definition.initial:
        return CollectorStatus.NOT_APPLY
    if definition.is_granting(change.state):
        return CollectorStatus.SUCCESS_APPLY
    return CollectorStatus.FAIL_APPLY if change.state in definition.final else CollectorStatus.APPLYING

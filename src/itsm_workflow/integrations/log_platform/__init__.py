"""The log platform: the form of a collector's change request, and the platform's own status words."""

from __future__ import annotations

from itsm_workflow.integrations.log_platform.form import TITLE_ROOM, CollectorDetail, CollectorForm
from itsm_workflow.integrations.log_platform.status import CollectorStatus, collector_status

__all__ = ["TITLE_ROOM", "CollectorDetail", "CollectorForm", "CollectorStatus", "collector_status"]

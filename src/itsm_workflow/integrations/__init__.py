"""Integrations with particular hosts and platforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.exports import exports

if TYPE_CHECKING:
    from itsm_workflow.integrations.celery import CeleryTasks
    from itsm_workflow.integrations.log_platform import CollectorDetail, CollectorStatus, collector_status
    from itsm_workflow.integrations.metrics import MetricsObserver, StoreCollector
    from itsm_workflow.integrations.tracing import TracingObserver
else:
    __getattr__, __dir__ = exports(
        __name__,
        {
            "celery": "CeleryTasks",
            "log_platform": "CollectorDetail CollectorStatus collector_status",
            "metrics": "MetricsObserver StoreCollector",
            "tracing": "TracingObserver",
        },
    )

__all__ = [
    "CeleryTasks",
    "CollectorDetail",
    "CollectorStatus",
    "MetricsObserver",
    "StoreCollector",
    "TracingObserver",
    "collector_status",
]

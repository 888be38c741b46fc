"""Celery: tasks on the host's own app that settle changes after callbacks and reconcile all due ones."""

from __future__ import annotations

try:
    from itsm_workflow.integrations.celery.tasks import CeleryTasks
except ImportError as error:
    raise ImportError(
        f"{error}: install the packages that it needs with `pip install 'itsm-workflow[celery]'`"
    ) from error

__all__ = ["CeleryTasks"]

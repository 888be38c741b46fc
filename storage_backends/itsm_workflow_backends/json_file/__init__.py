"""Changes in one file of JSON lines, readable by eye and by ``jq``, shared by the processes of one machine."""

from __future__ import annotations

from itsm_workflow.storage.abilities import Repair
from itsm_workflow_backends.json_file._backend import JSONFileBackend

__all__ = ["JSONFileBackend", "Repair"]

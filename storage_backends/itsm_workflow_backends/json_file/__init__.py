"""A store in one file of JSON lines, which people and ``jq`` can read and the processes of one machine share."""

from __future__ import annotations

from itsm_workflow.storage.abilities import Repair
from itsm_workflow_backends.json_file._backend import JSONFileBackend

__all__ = ["JSONFileBackend", "Repair"]

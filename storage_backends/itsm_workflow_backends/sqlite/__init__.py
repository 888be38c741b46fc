"""A store in one SQLite file, shared by the threads and processes of one machine."""

from __future__ import annotations

from itsm_workflow_backends.sqlite._backend import SQLiteBackend

__all__ = ["SQLiteBackend"]

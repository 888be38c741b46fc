"""The store ``django://alias``: changes in the tables of the host's own database, over Django's connection."""

from __future__ import annotations

from itsm_workflow.integrations.django.storage.backend import DjangoBackend

__all__ = ["DjangoBackend"]

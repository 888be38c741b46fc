"""The whole kit as one class."""

from __future__ import annotations

from itsm_workflow.testing.conformance._commits import CommitPromises
from itsm_workflow.testing.conformance._finding import FindPromises
from itsm_workflow.testing.conformance._histories import HistoryPromises
from itsm_workflow.testing.conformance._lasting import LastingPromises
from itsm_workflow.testing.conformance._machine import ModelPromises
from itsm_workflow.testing.conformance._sharing import SharingPromises
from itsm_workflow.testing.conformance._values import ValuePromises


class StorageConformance(
    CommitPromises, ValuePromises, FindPromises, HistoryPromises, SharingPromises, LastingPromises, ModelPromises
):
    """Every promise of the storage port; a backend's test class is a subclass with one fixture, ``open_backend``."""

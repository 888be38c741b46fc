"""The whole kit as one class, independent of any test runner."""

from __future__ import annotations

from itsm_workflow.testing.conformance._commits import CommitPromises
from itsm_workflow.testing.conformance._damage import DamagePromises
from itsm_workflow.testing.conformance._dying import DyingPromises
from itsm_workflow.testing.conformance._finding import FindPromises
from itsm_workflow.testing.conformance._histories import HistoryPromises
from itsm_workflow.testing.conformance._lasting import LastingPromises
from itsm_workflow.testing.conformance._machine import ModelPromises
from itsm_workflow.testing.conformance._sharing import SharingPromises
from itsm_workflow.testing.conformance._values import ValuePromises


class Kit(
    CommitPromises,
    ValuePromises,
    FindPromises,
    HistoryPromises,
    SharingPromises,
    LastingPromises,
    DyingPromises,
    DamagePromises,
    ModelPromises,
):
    """Every promise of the storage port, each a method whose name begins with ``test_``."""

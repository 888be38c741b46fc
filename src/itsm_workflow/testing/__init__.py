"""Tools for the tests of projects that build on this library.

The library itself imports nothing from here, except that its command line runs the storage kit. Each name is imported
when it is first used, so a test run that needs one of them does not import pytest and Hypothesis for the others.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from itsm_workflow.testing.conformance import QUICK, THOROUGH, StorageConformance, check_storage
    from itsm_workflow.testing.exploration import Bounds, Exploration, explore
    from itsm_workflow.testing.ledger_gateway import LedgerGateway
    from itsm_workflow.testing.manual_clock import ManualClock
    from itsm_workflow.testing.memory_sandbox import MemorySandbox
    from itsm_workflow.testing.simulation import simulate
    from itsm_workflow.testing.workflow_machine import WorkflowMachine

__all__ = [
    "QUICK",
    "THOROUGH",
    "Bounds",
    "Exploration",
    "LedgerGateway",
    "ManualClock",
    "MemorySandbox",
    "StorageConformance",
    "WorkflowMachine",
    "check_storage",
    "explore",
    "simulate",
]

_HOMES = {
    **dict.fromkeys(("Bounds", "Exploration", "explore"), "itsm_workflow.testing.exploration"),
    "LedgerGateway": "itsm_workflow.testing.ledger_gateway",
    "ManualClock": "itsm_workflow.testing.manual_clock",
    "MemorySandbox": "itsm_workflow.testing.memory_sandbox",
    "simulate": "itsm_workflow.testing.simulation",
    "WorkflowMachine": "itsm_workflow.testing.workflow_machine",
    **dict.fromkeys(("QUICK", "THOROUGH", "StorageConformance", "check_storage"), "itsm_workflow.testing.conformance"),
}

if "pytest" in sys.modules:
    # Before any module of the kit is imported; otherwise a failing assert of the kit would not show its values.
    sys.modules["pytest"].register_assert_rewrite("itsm_workflow.testing.conformance")


def __getattr__(name: str) -> object:
    """Import the module of a name when the name is first used."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)

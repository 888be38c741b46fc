"""What is shipped for the tests of those who build on this library.

Nothing here is imported by the library itself; its command line alone runs the storage kit. Each name is loaded when it
is first asked for, so that a test run that needs one of them does not pay for pytest's and Hypothesis's others.
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
    # Before anything below this package is imported, or a failing assert of the kit would show no values.
    sys.modules["pytest"].register_assert_rewrite("itsm_workflow.testing.conformance")


def __getattr__(name: str) -> object:
    """Load what was asked for."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)

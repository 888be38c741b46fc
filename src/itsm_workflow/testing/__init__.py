"""Tools for the tests of projects that build on this library.

The library itself imports nothing from here, except that its command line runs the storage kit. Each name is imported
when it is first used, so a test run that needs one of them does not import pytest and Hypothesis for the others.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from itsm_workflow.testing.conformance import QUICK, THOROUGH, StorageConformance, check_storage
    from itsm_workflow.testing.exploration import (
        INVARIANTS,
        PAIR_INVARIANTS,
        Act,
        Bounds,
        Exploration,
        Filed,
        Invariant,
        PairInvariant,
        PairSight,
        Sight,
        explore,
        operator_acts,
    )
    from itsm_workflow.testing.gateway_conformance import GatewayConformance, TicketRecord, TicketSystem, check_gateway
    from itsm_workflow.testing.gateway_faults import GatewayFaults
    from itsm_workflow.testing.ledger_gateway import LedgerGateway
    from itsm_workflow.testing.manual_clock import ManualClock
    from itsm_workflow.testing.memory_sandbox import MemorySandbox
    from itsm_workflow.testing.simulation import Failure, Fault, HostAct, SimulationFailed, simulate
    from itsm_workflow.testing.workflow_machine import WorkflowMachine
else:
    from itsm_workflow.exports import exports

    __getattr__, __dir__ = exports(
        __name__,
        {
            "conformance": "QUICK THOROUGH StorageConformance check_storage",
            "exploration": "INVARIANTS PAIR_INVARIANTS Act Bounds Exploration Filed Invariant PairInvariant PairSight "
            "Sight explore operator_acts",
            "gateway_conformance": "GatewayConformance TicketRecord TicketSystem check_gateway",
            "gateway_faults": "GatewayFaults",
            "ledger_gateway": "LedgerGateway",
            "manual_clock": "ManualClock",
            "memory_sandbox": "MemorySandbox",
            "simulation": "Failure Fault HostAct SimulationFailed simulate",
            "workflow_machine": "WorkflowMachine",
        },
    )

__all__ = [
    "INVARIANTS",
    "PAIR_INVARIANTS",
    "QUICK",
    "THOROUGH",
    "Act",
    "Bounds",
    "Exploration",
    "Failure",
    "Fault",
    "Filed",
    "GatewayConformance",
    "GatewayFaults",
    "HostAct",
    "Invariant",
    "LedgerGateway",
    "ManualClock",
    "MemorySandbox",
    "PairInvariant",
    "PairSight",
    "Sight",
    "SimulationFailed",
    "StorageConformance",
    "TicketRecord",
    "TicketSystem",
    "WorkflowMachine",
    "check_gateway",
    "check_storage",
    "explore",
    "operator_acts",
    "simulate",
]

if "pytest" in sys.modules:
    # Before any module of the kit is imported; otherwise a failing assert of the kit would not show its values.
    sys.modules["pytest"].register_assert_rewrite("itsm_workflow.testing.conformance")

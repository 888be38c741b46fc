"""Deterministic simulation: one seed determines a run of processes, store, ticket system, callbacks and clock."""

from __future__ import annotations

from itsm_workflow.testing.simulation.case import CaseStep, replay_case
from itsm_workflow.testing.simulation.case_file import CaseNotExported, case_file
from itsm_workflow.testing.simulation.faults import Failure, Fault
from itsm_workflow.testing.simulation.host import HostAct
from itsm_workflow.testing.simulation.runs import Run
from itsm_workflow.testing.simulation.simulating import Simulated, SimulationFailed, simulate

__all__ = [
    "CaseNotExported",
    "CaseStep",
    "Failure",
    "Fault",
    "HostAct",
    "Run",
    "Simulated",
    "SimulationFailed",
    "case_file",
    "replay_case",
    "simulate",
]

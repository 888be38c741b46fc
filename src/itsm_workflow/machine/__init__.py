"""The state machine: workflow definitions as data, the evidence of triggers, and the engine that fires triggers."""

from __future__ import annotations

from itsm_workflow.machine.definition import DueRule, Guard, Update
from itsm_workflow.machine.evidence import Concern, Decision, Snapshot, TicketStatus, Withdrawal
from itsm_workflow.machine.graph import Graph

__all__ = ["Concern", "Decision", "DueRule", "Graph", "Guard", "Snapshot", "TicketStatus", "Update", "Withdrawal"]

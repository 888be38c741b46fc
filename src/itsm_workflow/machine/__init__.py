"""The state machine: workflow definitions as data, the evidence of triggers, and the engine that fires triggers."""

from __future__ import annotations

from itsm_workflow.machine.definition import DueRule, Guard, Update
from itsm_workflow.machine.evidence import Concern, Decision, Snapshot, TicketStatus, Withdrawal

__all__ = ["Concern", "Decision", "DueRule", "Guard", "Snapshot", "TicketStatus", "Update", "Withdrawal"]

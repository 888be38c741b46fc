"""A stand-in for BK-ITSM 2 over real HTTP, for tests and experiments; it uses the standard library only.

The stand-in reproduces the observed behaviour of BK-ITSM 2.7, including its oddities: a success that only means that a
row exists, decisions that take effect later, a destructive read, callbacks that are sent once. Its future actions are
data (:mod:`~itsm_workflow.sandbox.ledger`), so a simulation can drive the same model with its own clock.
"""

from __future__ import annotations

from itsm_workflow.sandbox.behaviour import LOADED, Behaviour, BehaviourOptions
from itsm_workflow.sandbox.faults import Armed, Fault, FaultKind, Faults
from itsm_workflow.sandbox.pages import use_own_pages
from itsm_workflow.sandbox.refusals import Refusal
from itsm_workflow.sandbox.server import Sandbox
from itsm_workflow.sandbox.services import DEFAULT_SERVICES, FieldSpec, Service, self_finishing
from itsm_workflow.sandbox.ticket import CallbackAttempt, CallbackOutcome, Draft, Status, TicketView

__all__ = [
    "DEFAULT_SERVICES",
    "LOADED",
    "Armed",
    "Behaviour",
    "BehaviourOptions",
    "CallbackAttempt",
    "CallbackOutcome",
    "Draft",
    "Fault",
    "FaultKind",
    "Faults",
    "FieldSpec",
    "Refusal",
    "Sandbox",
    "Service",
    "Status",
    "TicketView",
    "self_finishing",
    "use_own_pages",
]

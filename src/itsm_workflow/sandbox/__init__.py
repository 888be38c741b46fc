"""A stand-in for BK-ITSM 2 over real HTTP, for tests and experiments; it uses the standard library only.

The stand-in reproduces the observed behaviour of BK-ITSM 2.7, including its oddities: a success that only means that a
row exists, decisions that take effect later, a destructive read, callbacks that are sent once. Its future actions are
data (:mod:`~itsm_workflow.sandbox.ledger`), so a simulation can drive the same model with its own clock.
"""

from __future__ import annotations

from itsm_workflow.sandbox.behaviour import LOADED, Behaviour, Ways
from itsm_workflow.sandbox.control import control
from itsm_workflow.sandbox.endpoints import Api, Reply
from itsm_workflow.sandbox.faults import Armed, Fault, FaultKind, Faults
from itsm_workflow.sandbox.ledger import Ledger
from itsm_workflow.sandbox.refusals import Refusal
from itsm_workflow.sandbox.request import Request
from itsm_workflow.sandbox.server import Sandbox
from itsm_workflow.sandbox.services import DEFAULT_SERVICES, FieldSpec, Service, self_finishing
from itsm_workflow.sandbox.ticket import (
    CallbackAttempt,
    CallbackOutcome,
    Draft,
    Outgoing,
    Status,
    TicketView,
    Transition,
)

__all__ = [
    "DEFAULT_SERVICES",
    "LOADED",
    "Api",
    "Armed",
    "Behaviour",
    "CallbackAttempt",
    "CallbackOutcome",
    "Draft",
    "Fault",
    "FaultKind",
    "Faults",
    "FieldSpec",
    "Ledger",
    "Outgoing",
    "Refusal",
    "Reply",
    "Request",
    "Sandbox",
    "Service",
    "Status",
    "TicketView",
    "Transition",
    "Ways",
    "control",
    "self_finishing",
]

"""The gateway port, which any ticket system can implement, and the adapter for BK-ITSM 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.exports import exports
from itsm_workflow.gateway.protocol import (
    CarriesSettings,
    CreateAnswer,
    Created,
    CreateRequest,
    FoundTicket,
    NotSent,
    Refused,
    SentTicket,
    Service,
    Standing,
    SupportsBudget,
    SupportsComparison,
    SupportsPages,
    SupportsRest,
    SupportsServiceForm,
    SupportsStanding,
    SupportsSuspend,
    SupportsTime,
    SupportsTokenCheck,
    SupportsUndelivered,
    TicketGateway,
    TicketResult,
    Unknown,
)

if TYPE_CHECKING:
    from itsm_workflow.gateway.bk_itsm.page import LogEntry, ShownStatus, ShownTicket
    from itsm_workflow.gateway.bk_itsm.routes import Routes
else:
    __getattr__, __dir__ = exports(
        __name__, {"bk_itsm.page": "LogEntry ShownStatus ShownTicket", "bk_itsm.routes": "Routes"}
    )

__all__ = [
    "CarriesSettings",
    "CreateAnswer",
    "CreateRequest",
    "Created",
    "FoundTicket",
    "LogEntry",
    "NotSent",
    "Refused",
    "Routes",
    "SentTicket",
    "Service",
    "ShownStatus",
    "ShownTicket",
    "Standing",
    "SupportsBudget",
    "SupportsComparison",
    "SupportsPages",
    "SupportsRest",
    "SupportsServiceForm",
    "SupportsStanding",
    "SupportsSuspend",
    "SupportsTime",
    "SupportsTokenCheck",
    "SupportsUndelivered",
    "TicketGateway",
    "TicketResult",
    "Unknown",
]

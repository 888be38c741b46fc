"""Values for tests of gateways: settings, an attempt in progress, a ticket."""

from __future__ import annotations

import datetime as dt
from typing import Any

from itsm_workflow.bkapi.client import ApiClient
from itsm_workflow.bkapi.retry import NO_RETRY, RetryPolicy
from itsm_workflow.change import Attempt, Form, Phase, Ticket
from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway
from itsm_workflow.gateway.bk_itsm.form import FAST_APPROVAL
from itsm_workflow.gateway.protocol import CreateRequest, SentTicket
from itsm_workflow.secrets import Secret
from itsm_workflow.settings import Settings

APP_SECRET = "canary-app-secret"
CREDENTIAL = "canary-credential"
TOKEN = "canary-server-token"
CANARIES = (APP_SECRET, CREDENTIAL, TOKEN)
NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)


def settings(url: str, **given: object) -> Settings:
    """Return settings for the built-in service of a gateway, with time-outs that are long enough for a busy machine."""
    fixed: dict[str, Any] = {
        "app_code": "bk_flow",
        "app_secret": Secret(APP_SECRET),
        "gateway_url": url,
        "fast_approval": "service_id" not in given,
        "timeout": (10.0, 10.0),
        "deadline": 10.0,
        "ticket_hosts": ("itsm.example.com",),
    }
    return Settings(**fixed | given)


def gateway(url: str, *, retry: RetryPolicy = NO_RETRY, **given: object) -> BkItsmGateway:
    """Return an adapter that does not retry, unless an option says otherwise."""
    wanted = settings(url, **given)
    return BkItsmGateway(wanted, client=ApiClient(wanted, retry=retry))


def attempt(**given: object) -> Attempt:
    """Return an attempt that is being sent."""
    fixed: dict[str, Any] = {
        "key": "pre01M87NCF7BNR8G5Q97GV755PZN",
        "number": 1,
        "phase": Phase.SENDING,
        "creator": "alice",
        "service": FAST_APPROVAL,
        "owner": "o",
        "submitted_at": NOW,
    }
    return Attempt(**fixed | given)


def create_request(of: Attempt | None = None, title: str = "接入 nginx 日志") -> CreateRequest:
    """Return a create request."""
    return CreateRequest(
        form=Form(title=title, applicant="alice", approvers=("bob",)),
        attempt=of or attempt(),
        callback_url=f"http://127.0.0.1:9/callback/{CREDENTIAL}",  # no server listens on this port
        callback_headers={"Authorization": CREDENTIAL},
    )


def sent(of: Attempt | None = None, title: str = "接入 nginx 日志") -> SentTicket:
    """Return the input of a look-up for the ticket of `create_request`, from ten minutes before its submission."""
    request = create_request(of, title)
    since = request.attempt.submitted_at - dt.timedelta(minutes=10)
    return SentTicket(form=request.form, attempt=request.attempt, made_after=since)


def ticket(ticket_id: str = "7", sn: str = "REQ20261125000007") -> Ticket:
    """Return a ticket to which a change is bound."""
    return Ticket(gateway="bk_itsm", id=ticket_id, sn=sn, url="", channel="answer", recorded_at=NOW)

"""A sandbox with its own clock, and the steps that bring a ticket to the situation of a recording."""

from __future__ import annotations

import http.client
import json
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import attrs

from itsm_workflow.sandbox import Draft, Sandbox
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.recorded import Json

AT = datetime(2026, 11, 24, 18, 30, tzinfo=UTC)
"""The time at which a sandbox begins in most tests."""

BUILT_IN = 2
APPROVERS = ("alice", "bob")
MICROSECONDS = 123_456


class Standing(Enum):
    """The situation of a ticket."""

    CREATED = auto()
    SUBMITTING = auto()
    STARTED = auto()
    DECIDED = auto()
    STUCK = auto()
    SUSPENDED = auto()
    SUSPENDED_TWICE = auto()
    APPROVED = auto()
    REJECTED = auto()
    TERMINATED = auto()
    REVOKED = auto()
    REVIVED = auto()


@attrs.frozen(kw_only=True)
class Cast:
    """The people and the values of a ticket."""

    title: str = "a change"
    creator: str = "admin"
    approvers: tuple[str, ...] = APPROVERS
    actor: str | None = None
    tag: str | None = None
    meta: Mapping[str, Any] = attrs.field(factory=dict)
    dynamic: tuple[tuple[str, str, str], ...] = ()
    remark: str = "as agreed"
    service_id: int = BUILT_IN


@attrs.frozen
class Heard:
    """One answer of the sandbox."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        """The body as JSON."""
        return json.loads(self.body)


class Stage:
    """A sandbox in which time passes only on request.

    Args:
        at: The first time of its clock.
        options: Options for the sandbox.
    """

    def __init__(self, at: datetime, **options: Json) -> None:
        self.now = at.replace(microsecond=MICROSECONDS)
        self.sandbox = Sandbox(drive=False, clock=lambda: self.now, callback_timeout=PATIENCE, **options)

    def __enter__(self) -> Self:
        self.sandbox.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.sandbox.close()

    def pass_time(self, seconds: float = 1.0) -> None:
        """Advance the clock, and run everything that is due."""
        self.now += timedelta(seconds=seconds)
        self.sandbox.run_due()

    def set_time(self, at: datetime) -> None:
        """Advance the clock to a time, unless it is already later."""
        self.now = max(self.now, at.replace(microsecond=MICROSECONDS))
        self.sandbox.run_due()

    def ticket(self, standing: Standing, cast: Cast | None = None) -> str:
        """File a ticket and bring it to a situation.

        Returns:
            The number of the ticket.
        """
        cast = cast or Cast()
        with self.sandbox.locked() as ledger:
            service = ledger.services[cast.service_id]
            values = {"title": cast.title}
            if service.id == BUILT_IN:
                values |= {"APPROVER": ",".join(cast.approvers), "APPROVAL_CONTENT": f"please approve {cast.title}"}
            draft = Draft(
                title=cast.title,
                creator=cast.creator,
                service=service,
                values=values,
                approvers=cast.approvers if service.approval else (),
                tag=cast.tag,
                meta=cast.meta,
                dynamic=cast.dynamic,
            )
            sn = ledger.file(draft).sn
        self._bring(sn, standing, cast)
        return sn

    def _bring(self, sn: str, standing: Standing, cast: Cast) -> None:
        if standing is Standing.CREATED:
            return
        if standing is Standing.SUBMITTING:
            self.pass_time(self.sandbox.ledger.behaviour.start_delay * 0.6)
            return
        if standing is Standing.REVIVED:
            self.sandbox.withdraw(sn)
        self.pass_time()
        for act in self._acts(sn, standing, cast):
            act()
        if standing in {Standing.APPROVED, Standing.REJECTED}:
            self.pass_time()

    def _acts(self, sn: str, standing: Standing, cast: Cast) -> list[Callable[[], object]]:
        sandbox = self.sandbox
        approve = partial(sandbox.approve, sn, approver=cast.actor, remark=cast.remark)
        suspend = partial(sandbox.suspend, sn)
        acts: dict[Standing, list[Callable[[], object]]] = {
            Standing.DECIDED: [approve],
            Standing.APPROVED: [approve],
            Standing.REJECTED: [partial(sandbox.reject, sn, approver=cast.actor, remark=cast.remark)],
            Standing.STUCK: [partial(sandbox.jam, sn, approver=cast.actor)],
            Standing.SUSPENDED: [suspend],
            Standing.SUSPENDED_TWICE: [suspend, suspend],
            Standing.TERMINATED: [partial(sandbox.terminate, sn)],
            Standing.REVOKED: [partial(sandbox.withdraw, sn)],
        }
        return acts.get(standing, [])

    def send(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: str | bytes | None = None
    ) -> Heard:
        """Send a request unchanged."""
        connection = http.client.HTTPConnection(urlsplit(self.sandbox.root).netloc, timeout=PATIENCE)
        try:
            raw = body.encode("utf-8") if isinstance(body, str) else body
            connection.request(method, path, body=raw, headers=dict(headers or {}))
            answer = connection.getresponse()
            return Heard(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def post(self, endpoint: str, body: object) -> Heard:
        """Send JSON to an endpoint as the gateway does for a client."""
        return self.send(
            "POST", f"/v2/itsm/{endpoint}/", {**front({}), "Content-Type": "application/json"}, json.dumps(body)
        )

    def get(self, endpoint: str, query: str = "") -> Heard:
        """Read an endpoint as the gateway does for a client."""
        return self.send("GET", f"/v2/itsm/{endpoint}/{'?' if query else ''}{query}", front({}))


def front(headers: Mapping[str, str]) -> dict[str, str]:
    """Add the headers that the proxy of the recordings added: a client's credentials, unless the request has its own.

    With ``X-Test-No-Jwt`` that proxy added nothing; it passed an ``X-Bkapi-JWT`` through.
    """
    kept = {name: value for name, value in headers.items() if name != "X-Test-No-Jwt"}
    if len(kept) < len(headers) or "X-Bkapi-JWT" in kept:
        return kept
    given = json.loads(kept.get("X-Bkapi-Authorization", "{}"))
    credentials = {"bk_app_code": "test_client", "bk_app_secret": "made-up", "bk_username": "admin", **given}
    return {**kept, "X-Bkapi-Authorization": json.dumps(credentials)}

"""Our callback, called as BK-ITSM calls it, by a probe that a running host answers and that has no effect.

A probe is a callback about no change. It carries a credential of its own, signed like every other, and what it is
answered proves three things: the credential arrived, the body arrived as it was sent, and who answered has our keys.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from itsm_workflow.bkapi.body import MAYBE_DONE
from itsm_workflow.bkapi.transport import HttpRequest, Transport
from itsm_workflow.callbacks.parse import digest_of
from itsm_workflow.callbacks.signer import HEADER, PROBE, CallbackAddress
from itsm_workflow.doctor.connection import Obstacle, reach, tell
from itsm_workflow.doctor.delivery import Acknowledged, Undelivered, judge
from itsm_workflow.doctor.findings import ok, problem, warning
from itsm_workflow.doctor.scrubbing import scrubbed
from itsm_workflow.errors import GatewayError, GatewayTimeout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.clock import Clock
    from itsm_workflow.doctor.findings import Finding
    from itsm_workflow.settings import Settings

SLOW = 1.0
"""Seconds; a host answers in milliseconds, and BK-ITSM's answer to a withdrawal waits for ours."""

_USER_AGENT = "python-requests/2.27.1"  # BK-ITSM's own: a guard that turns it away shall turn us away


def examine_callback(settings: Settings, *, clock: Clock, slow: float = SLOW) -> Iterator[Finding]:
    """Yield what is found when our callback address is called.

    Args:
        settings: The address and the keys.
        clock: The wall-clock time.
        slow: Seconds from which on an answer is told to be slow.
    """
    if not (settings.callback_host and settings.callback_keys):
        yield warning(
            "callback.delivery",
            "not tried: no callbacks are asked for, so that only reconcile finds out what was decided",
            "set BKAPP_ITSM_CALLBACK_HOST and BKAPP_ITSM_CALLBACK_KEYS to have callbacks",
        )
        return
    reached = reach(settings.callback_host, settings)
    yield from tell("callback", "callback_host", reached, clock.now(), settings)
    if reached.obstacle is Obstacle.CERTIFICATE:
        yield warning(
            "callback.delivery",
            "not tried: a probe would show its credential to whoever answers. BK-ITSM itself checks no certificate, so "
            "that its callbacks may arrive all the same",
            "put the certificate right, then ask again",
        )
    if reached.obstacle is not None:
        return
    in_path = settings.callback_credential == "path"
    address = CallbackAddress(host=settings.callback_host, keys=settings.callback_keys, in_path=in_path)
    transport = Transport(ca_bundle=settings.ca_bundle)
    try:
        found = _probe(transport, settings, address, clock)
        if isinstance(found, Undelivered) and found.credential_unknown and not in_path:
            again = _probe(transport, settings, address.in_path(), clock)
            if isinstance(again, Acknowledged) and again.proven:
                yield _stripped()
                return
    finally:
        transport.close()
    yield from _told(found, slow)


def _probe(
    transport: Transport, settings: Settings, address: CallbackAddress, clock: Clock
) -> Acknowledged | Undelivered:
    url, headers = address.make(PROBE, 1)
    body = _body(clock)
    request = HttpRequest(
        endpoint="callback",
        request_id="",
        method="POST",
        url=url.reveal(),
        headers={
            "User-Agent": _USER_AGENT,
            "Accept": "*/*",
            "Content-Type": "application/json",
            **headers,
        },
        body=body,
        connect_timeout=settings.timeout[0],
        read_timeout=settings.timeout[1],
        deadline=settings.deadline,
        fresh=True,
    )
    try:
        answer = transport.send(request)
    except GatewayError as error:
        slow = isinstance(error, GatewayTimeout)
        words = str(error).removeprefix("callback: ").removesuffix(MAYBE_DONE)
        return Undelivered(
            seen=words,
            advice="let the route answer at once, and look at what is between, and at its time limits"
            if slow
            else "look at what answers there: it must be the host, in HTTP",
        )
    answer = scrubbed(answer, settings, address.credential(PROBE, 1))
    return judge(answer, proves=lambda proof: address.is_proof(proof, digest_of(body)), url=settings.callback_host)


def _body(clock: Clock) -> bytes:
    """Return the nine fields that BK-ITSM sends, ASCII-escaped as it does."""
    facts = {
        "title": "itsm-workflow doctor: 探测回调",
        "current_status": "FINISHED",
        "sn": f"PROBE{secrets.token_hex(8)}",
        "ticket_url": "",
        "update_at": f"{clock.now():%Y-%m-%d %H:%M:%S.%f}",
        "updated_by": ",itsm-workflow,",
        "approve_result": False,
        "token": "",
        "last_approver": "",
    }
    return json.dumps(facts).encode("ascii")


def _told(found: Acknowledged | Undelivered, slow: float) -> Iterator[Finding]:
    if isinstance(found, Undelivered):
        name = "callback.credential" if found.credential_unknown else "callback.delivery"
        yield problem(name, found.seen, found.advice)
        return
    if not found.proven:
        yield problem(
            "callback.delivery",
            f"{found.seen}, but not from a host with our keys: callbacks would count as delivered, and be lost",
            "correct BKAPP_ITSM_CALLBACK_HOST, and hand every answer of the library on as it is",
        )
        return
    yield ok("callback.delivery", f"{found.seen}: BK-ITSM counts it as delivered")
    yield ok("callback.credential", "credential and body arrived as they were sent, at a host with our keys")
    if found.seconds > slow:
        yield warning(
            "callback.speed",
            f"answered after {found.seconds:.1f} s; BK-ITSM's answer to a withdrawal waits for ours",
            "let the route answer at once: look into callbacks in the background, by a queue or later",
        )
    else:
        yield ok("callback.speed", f"answered after {found.seconds * 1000:.0f} ms")


def _stripped() -> Finding:
    return problem(
        "callback.credential",
        f"the header {HEADER} does not arrive: the host answers 401 with it, and knows the credential in the path",
        "let the header through at the proxy or gateway before the host, or set BKAPP_ITSM_CALLBACK_CREDENTIAL=path",
    )

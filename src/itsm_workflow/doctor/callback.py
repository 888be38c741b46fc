"""The examination of our callback address, with a probe that a running host answers and that has no effect.

A probe is a callback that does not belong to a change, sent as BK-ITSM sends callbacks, with its own signed credential.
The host's answer proves that the credential arrived, that the body arrived unchanged, and that the host has our keys.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from itsm_workflow.bkapi.body import MAYBE_DONE
from itsm_workflow.bkapi.transport import HttpRequest, Transport
from itsm_workflow.callbacks.parse import digest_of
from itsm_workflow.callbacks.signer import HEADER, PROBE, CallbackSigner
from itsm_workflow.doctor.connection import Obstacle, connection_findings, reach
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
"""The limit in seconds. A host answers in milliseconds, and BK-ITSM answers a withdrawal only after our answer."""

_USER_AGENT = "python-requests/2.27.1"  # BK-ITSM's user agent: a filter that rejects it must reject the probe


def examine_callback(settings: Settings, *, clock: Clock, slow: float = SLOW) -> Iterator[Finding]:
    """Call our callback address and yield the findings.

    Args:
        settings: The address and the keys.
        clock: Source of the current time.
        slow: The number of seconds above which an answer is reported as slow.
    """
    if not (settings.callback_host and settings.callback_keys):
        yield warning(
            "callback.delivery",
            "not tried: callbacks are not configured, so only reconcile learns of decisions",
            "set BKAPP_ITSM_CALLBACK_HOST and BKAPP_ITSM_CALLBACK_KEYS to receive callbacks",
        )
        return
    reached = reach(settings.callback_host, settings)
    yield from connection_findings("callback", "callback_host", reached, clock.now(), settings)
    if reached.obstacle is Obstacle.CERTIFICATE:
        yield warning(
            "callback.delivery",
            "not tried: a probe would reveal its credential to an unverified server. BK-ITSM itself does not check "
            "certificates, so its callbacks may arrive anyway",
            "correct the certificate, then run the doctor again",
        )
    if reached.obstacle is not None:
        return
    in_path = settings.callback_credential == "path"
    address = CallbackSigner(host=settings.callback_host, keys=settings.callback_keys, in_path=in_path)
    transport = Transport(ca_bundle=settings.ca_bundle)
    try:
        found = _probe(transport, settings, address, clock)
        if isinstance(found, Undelivered) and found.credential_unknown and not in_path:
            second = _probe(transport, settings, address.in_path(), clock)
            if isinstance(second, Acknowledged) and second.proven:
                yield _header_removed()
                return
    finally:
        transport.close()
    yield from _delivery_findings(found, slow)


def _probe(
    transport: Transport, settings: Settings, address: CallbackSigner, clock: Clock
) -> Acknowledged | Undelivered:
    url, headers = address.make(PROBE, 1)
    body = _body(clock)
    request = HttpRequest(
        endpoint="callback",
        request_id="",
        method="POST",
        url=url.reveal(),
        headers={"User-Agent": _USER_AGENT, "Accept": "*/*", "Content-Type": "application/json", **headers},
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
            advice="let the route answer immediately, and check the proxies in between and their time-outs"
            if slow
            else "check which server answers at this address: it must be the host, and it must speak HTTP",
        )
    answer = scrubbed(answer, settings, address.credential(PROBE, 1))
    return judge(answer, proves=lambda proof: address.is_proof(proof, digest_of(body)), url=settings.callback_host)


def _body(clock: Clock) -> bytes:
    """Return the nine fields of a callback as JSON, with non-ASCII characters escaped as BK-ITSM does."""
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


def _delivery_findings(found: Acknowledged | Undelivered, slow: float) -> Iterator[Finding]:
    if isinstance(found, Undelivered):
        name = "callback.credential" if found.credential_unknown else "callback.delivery"
        yield problem(name, found.seen, found.advice)
        return
    if not found.proven:
        yield problem(
            "callback.delivery",
            f"{found.seen}, but not from a host with our keys: callbacks would count as delivered and be lost",
            "correct BKAPP_ITSM_CALLBACK_HOST, and let the host return the library's answer unchanged",
        )
        return
    yield ok("callback.delivery", f"{found.seen}: BK-ITSM counts it as delivered")
    yield ok("callback.credential", "the credential and the body arrived unchanged at a host with our keys")
    if found.seconds > slow:
        yield warning(
            "callback.speed",
            f"answered after {found.seconds:.1f} s; BK-ITSM answers a withdrawal only after our answer",
            "let the route answer immediately: process callbacks in the background, in a task queue, or in reconcile",
        )
    else:
        yield ok("callback.speed", f"answered after {found.seconds * 1000:.0f} ms")


def _header_removed() -> Finding:
    return problem(
        "callback.credential",
        f"the header {HEADER} does not arrive: the host answers 401 to it, but accepts the credential in the path",
        "let the proxy or gateway in front of the host pass the header, or set BKAPP_ITSM_CALLBACK_CREDENTIAL=path",
    )

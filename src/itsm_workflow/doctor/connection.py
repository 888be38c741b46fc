"""The examination of a connection: host name, port and certificate. Nothing but a TLS handshake is sent."""

from __future__ import annotations

import contextlib
import datetime as dt
import enum
import socket
import ssl
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attrs

from itsm_workflow.bkapi.deadline import Exchange, open_socket, reason
from itsm_workflow.bkapi.transport import tls_context
from itsm_workflow.clock import EPOCH
from itsm_workflow.doctor.configuration import variable_of
from itsm_workflow.doctor.findings import ok, problem, warning
from itsm_workflow.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.doctor.findings import Finding
    from itsm_workflow.settings import Settings

EXPIRES_SOON = dt.timedelta(days=30)
_PORTS = {"http": 80, "https": 443}


class Obstacle(enum.StrEnum):
    """The reason why a connection failed."""

    NAME = "name"
    REFUSED = "refused"
    SILENT = "silent"
    CERTIFICATE = "certificate"
    HANDSHAKE = "handshake"
    BROKEN = "broken"


@attrs.frozen(kw_only=True)
class Reached:
    """The result of a connection attempt.

    Attributes:
        place: The host and port.
        obstacle: The reason of the failure; None if the connection succeeded.
        words: The reason in the words of the system or OpenSSL.
        valid_until: The expiry of the certificate; None if no certificate was verified.
    """

    place: str
    obstacle: Obstacle | None = None
    words: str = ""
    valid_until: dt.datetime | None = None


_ADVICE = {
    Obstacle.NAME: "correct the host in {variable}, or the name resolution of this machine",
    Obstacle.REFUSED: "no server listens there: correct the host and port in {variable}, or start the server",
    Obstacle.SILENT: "probably a firewall or a missing route: allow this machine, or correct {variable}",
    Obstacle.CERTIFICATE: "renew the certificate, or name the authority that signed it in BKAPP_ITSM_CA_BUNDLE",
    Obstacle.HANDSHAKE: "let the server speak TLS 1.2 or newer there, or correct the scheme and port in {variable}",
    Obstacle.BROKEN: "check the proxies and firewalls in between, or correct {variable}",
}


def reach(url: str, settings: Settings) -> Reached:
    """Connect to the address as a request would, then disconnect."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or _PORTS[parts.scheme]
    place = f"{host}:{port}"
    connect_timeout, read_timeout = settings.timeout
    exchange = Exchange(
        connect_timeout=connect_timeout, read_timeout=read_timeout, deadline=settings.deadline, monotonic=time.monotonic
    )
    try:
        with contextlib.closing(open_socket(host, port, exchange, ())) as sock:
            if parts.scheme == "http":
                return Reached(place=place)
            with tls_context(settings.ca_bundle).wrap_socket(sock, server_hostname=host) as tls:
                return Reached(place=place, valid_until=_valid_until(tls))
    except OSError as error:
        return Reached(place=place, obstacle=_obstacle(error), words=reason(error))


def connection_findings(
    part: str, field: str, reached: Reached, now: dt.datetime, settings: Settings
) -> Iterator[Finding]:
    """Yield the findings of a connection attempt.

    Args:
        part: The prefix of the findings' names.
        field: The setting that names the address.
        reached: The result of the attempt.
        now: The current time.
        settings: The settings, with the source of the address.
    """
    certificate = reached.obstacle is Obstacle.CERTIFICATE
    if reached.obstacle is not None and not certificate:
        advice = _ADVICE[reached.obstacle].format(variable=variable_of(settings, field))
        yield problem(f"{part}.connection", f"{reached.place}: {reached.words}", advice)
        return
    yield ok(f"{part}.connection", f"{reached.place} accepts connections")
    if certificate:
        yield problem(f"{part}.certificate", f"{reached.place}: {reached.words}", _ADVICE[Obstacle.CERTIFICATE])
    elif reached.valid_until is not None:
        yield _expiry(part, reached.valid_until, now)


def _expiry(part: str, until: dt.datetime, now: dt.datetime) -> Finding:
    name, left = f"{part}.certificate", f"{counted((until - now).days, 'day')} from now"
    if until - now < EXPIRES_SOON:
        return warning(name, f"verified, and valid until {until:%Y-%m-%d}, {left}", "renew the certificate")
    return ok(name, f"verified, valid until {until:%Y-%m-%d}, {left}")


def _obstacle(error: OSError) -> Obstacle:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Obstacle.CERTIFICATE
    if isinstance(error, socket.gaierror):
        return Obstacle.NAME
    if isinstance(error, TimeoutError):
        return Obstacle.SILENT
    if isinstance(error, ConnectionRefusedError):
        return Obstacle.REFUSED
    if isinstance(error, ssl.SSLError):
        return Obstacle.HANDSHAKE
    return Obstacle.BROKEN


def _valid_until(tls: ssl.SSLSocket) -> dt.datetime:
    shown = tls.getpeercert() or {}
    return EPOCH + dt.timedelta(seconds=ssl.cert_time_to_seconds(str(shown["notAfter"])))

"""Shared parts of the doctor's tests: settings with short times, findings by name, servers that use TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.doctor.callback import examine_callback
from itsm_workflow.doctor.gateway import examine_gateway
from itsm_workflow.settings import Settings
from itsm_workflow.testing.manual_clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from itsm_workflow.clock import Clock
    from itsm_workflow.doctor import Finding

APP_SECRET = "canary-app-secret"
KEY = "canary-callback-key-0123456789-abcdef"
OTHER_KEY = "canary-callback-key-zyxwvutsrq-98765"
CANARY = "canary"
BARE_NAME = "x" * 64 + ".invalid"
"""A name that no name service is asked for, since a part of it is too long."""


def settings(gateway_url: str = "http://127.0.0.1:9/", **more: str) -> Settings:
    """Return settings as a host reads them, told by their names without the prefix."""
    named = {
        "APP_CODE": "host",
        "APP_SECRET": APP_SECRET,
        "GATEWAY_URL": gateway_url,
        "TIMEOUT": "2",
        "DEADLINE": "2",
        **({} if any(name.startswith("SERVICE") for name in more) else {"FAST_APPROVAL": "true"}),
        **more,
    }
    return Settings.from_env({f"BKAPP_ITSM_{name}": value for name, value in named.items()})


def by_name(findings: Iterable[Finding]) -> dict[str, Finding]:
    """Return findings by name, once it is sure that none of them shows a secret."""
    listed = list(findings)
    assert CANARY not in repr(listed)
    named = {finding.name: finding for finding in listed}
    assert len(listed) == len(named)
    return named


def of_gateway(wanted: Settings, clock: Clock | None = None) -> dict[str, Finding]:
    """Return what is found of a gateway."""
    return by_name(examine_gateway(wanted, clock=clock or ManualClock()))


def of_callback(host: str, *, slow: float = 60.0, **more: str) -> dict[str, Finding]:
    """Return what is found of a callback address."""
    wanted = settings(**{"CALLBACK_HOST": host, "CALLBACK_KEYS": KEY, **more})
    return by_name(examine_callback(wanted, clock=ManualClock(), slow=slow))


def levels(findings: dict[str, Finding]) -> dict[str, str]:
    """Return the level of each finding by its name."""
    return {name: finding.level.value for name, finding in findings.items()}

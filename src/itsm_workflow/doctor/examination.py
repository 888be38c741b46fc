"""Run all examinations, each after those that it depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.clock import SystemClock
from itsm_workflow.doctor.configuration import examine_settings
from itsm_workflow.doctor.findings import Level, problem
from itsm_workflow.doctor.storage import examine_storage
from itsm_workflow.doctor.unsent import unsent_findings
from itsm_workflow.runtime.arguments import check_flag
from itsm_workflow.secrets import SecretURL
from itsm_workflow.settings.variables import Variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from itsm_workflow.clock import Clock
    from itsm_workflow.doctor.findings import Finding


def examine(
    environ: Mapping[str, str],
    *,
    store: str | SecretURL,
    online: bool = False,
    callback: bool = False,
    clock: Clock | None = None,
) -> Iterator[Finding]:
    """Examine the settings, the store, the gateway and the callback address, and yield the findings. Changes nothing.

    Args:
        environ: The variables that the settings are read from.
        store: The store's URL.
        online: Whether to call the gateway, with reads that change nothing.
        callback: Whether to call our callback address, with a probe that has no effect.
        clock: Source of the current time.

    Raises:
        TypeError: ``online`` or ``callback`` is not a bool.
    """
    check_flag("examine(online=...)", online)
    check_flag("examine(callback=...)", callback)
    clock, environ, store = clock or SystemClock(), Variables(environ), SecretURL.of(store)
    settings, findings = examine_settings(environ)
    yield from findings
    unsent: dict[str, str] = {}
    yield from examine_storage(store, now=clock.now(), unsent=unsent)
    if settings is None:
        for part in [*(["gateway.connection"] if online else []), *(["callback.delivery"] if callback else [])]:
            yield problem(part, "not tried: the settings cannot be used", "correct the settings first")
        return
    # Imported here to save start-up time: only these modules need an HTTP client.
    if online:
        from itsm_workflow.doctor.gateway import examine_gateway  # noqa: PLC0415

        is_accepted = False
        for finding in examine_gateway(settings, clock=clock):
            is_accepted = is_accepted or (finding.name == "gateway.credentials" and finding.level is Level.OK)
            yield finding
        if is_accepted:
            yield from unsent_findings(unsent)
    if callback:
        from itsm_workflow.doctor.callback import examine_callback  # noqa: PLC0415

        yield from examine_callback(settings, clock=clock)

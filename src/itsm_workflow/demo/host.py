"""The host application of the demonstration: its timings, its work on approval, and its workflow.

This module does not know which faults are injected. Two more processes build the same host, so that a second one can
take over from a killed one.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import threading
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.audit import Delivery
from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway
from itsm_workflow.machine.approval import State
from itsm_workflow.policy import Policy
from itsm_workflow.runtime.effects import Effect
from itsm_workflow.workflow import Workflow

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Sequence

    from itsm_workflow.runtime.effects import EffectCall
    from itsm_workflow.runtime.observers import Observer
    from itsm_workflow.settings import Settings

EFFECT = "start_collection"
EFFECTS = {State.APPROVED.value: (EFFECT,)}


def _second(number: float) -> dt.timedelta:
    return dt.timedelta(seconds=number)


POLICY = Policy(
    send_lease=_second(2),
    send_margin=_second(0.5),
    unsent_retry=_second(0.5),
    lookups=tuple(map(_second, (0, 0.2, 0.5, 1))),
    poll=_second(2),
    soon=_second(0.2),
    quiet=_second(1),
    withdraw_age=_second(0.6),
    read_lease=_second(2),
    effect_lease=_second(5),
    effect_backoff=_second(0.3),
)
"""Minutes shortened to seconds, so that the demonstration ends within half a minute."""

DEADLINE = 1.5
"""The deadline of one call of the gateway, in seconds; less than `POLICY.send_lease`, as in production."""


class NotStartedError(Exception):
    """The collection could not be started in this delivery."""


class Deliveries:
    """The work of the host, which starts collections, and its append-only log with one JSON line for each start.

    Args:
        path: The log.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._failing: set[str] = set()

    def fail_next(self, subject: str) -> None:
        """Let the next start for this subject fail."""
        with self._lock:
            self._failing.add(subject)

    def start_collection(self, call: EffectCall) -> None:
        """Start the collection durably before returning.

        Raises:
            NotStartedError: `fail_next` was called for this subject.
        """
        subject = call.change.subject
        with self._lock:
            if subject in self._failing:
                self._failing.discard(subject)
                raise NotStartedError(f"the collection of {subject} did not start")
            line = {"effect": call.id, "name": call.name, "change": call.change.id, "attempt": call.attempt}
            with self.path.open("a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
                log.flush()
                os.fsync(log.fileno())

    def read(self) -> list[Delivery]:
        """Return the deliveries that all processes logged."""
        if not self.path.exists():
            return []
        lines = [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]
        return [Delivery(effect=line["effect"], name=line["name"], change=line["change"]) for line in lines]


@attrs.frozen(kw_only=True)
class Host:
    """A workflow and its gateway, which are closed together."""

    workflow: Workflow
    gateway: BkItsmGateway

    def close(self) -> None:
        """Wait for background work, then close the store and all connections."""
        self.workflow.close()
        self.gateway.close()


def open_host(
    settings: Settings,
    deliveries: Deliveries,
    *,
    observers: Sequence[Observer] = (),
    entropy: Callable[[int], bytes] = os.urandom,
) -> Host:
    """Build the host for these settings.

    Args:
        settings: The addresses of store, gateway and callbacks.
        deliveries: The work that is done on approval.
        observers: Notified of every entry.
        entropy: Source of random bytes for ids and keys.
    """
    gateway = BkItsmGateway(settings)
    workflow = Workflow(
        storage=settings.store,
        gateway=gateway,
        effects={State.APPROVED: [Effect(EFFECT, deliveries.start_collection)]},
        policy=POLICY,
        observers=observers,
        entropy=entropy,
    )
    return Host(workflow=workflow, gateway=gateway)

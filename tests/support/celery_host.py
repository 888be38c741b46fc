"""A host with Celery in other processes: its app, its effect, and places at which its process dies.

`celery --app tests.support.celery_host worker`, or `beat`, with a `Place` as JSON in the environment.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from celery import Celery  # type: ignore[import-untyped]  # it has no types

from itsm_workflow import (
    AlreadyApplied,
    BkItsmGateway,
    Effect,
    EffectCall,
    ItsmWorkflowError,
    Policy,
    State,
    TransitionRefused,
    Workflow,
    open_storage,
)
from itsm_workflow.integrations import CeleryTasks
from itsm_workflow.sandbox.connection import settings_for
from itsm_workflow.secrets import Secret
from tests.support.office import CALLBACK_KEY
from tests.support.places import WatchedStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.storage.protocol import Write

log = logging.getLogger(__name__)

VARIABLE = "TEST_CELERY_HOST"
DEADLINE = 4.0
_SECOND = dt.timedelta(seconds=1)
POLICY = Policy(
    send_lease=6 * _SECOND,
    send_margin=1 * _SECOND,
    send_least=4 * _SECOND,
    read_lease=5 * _SECOND,
    effect_lease=3 * _SECOND,
    effect_backoff=1 * _SECOND,
    lookups=(0 * _SECOND, 1 * _SECOND, 2 * _SECOND, 5 * _SECOND),
    poll=5 * _SECOND,
)
"""Leases and intervals of seconds: a worker that died costs a test little time."""
LEFT = 5 * _SECOND
"""The age of a draft whose message is taken for lost."""


@attrs.frozen(kw_only=True)
class Place:
    """What a process of the host needs to know.

    Attributes:
        broker: The URL of the broker.
        queue: The queue of all messages.
        store: The URL of the store.
        gateway: The gateway root of the ticket system.
        callback: The address that callbacks are sent to.
        folder: A folder for the log of effects, and for the marks of deaths.
        deaths: The commits at which a process kills itself, each once: ``before`` or ``after``, and a trigger.
    """

    broker: str
    queue: str
    store: str
    gateway: str
    callback: str
    folder: str
    deaths: tuple[tuple[str, str], ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """The environment of such a process."""
        return {**os.environ, VARIABLE: json.dumps(attrs.asdict(self))}

    def die(self, name: str) -> None:
        """Kill this process, unless a process died at this place before."""
        with contextlib.suppress(FileExistsError):
            Path(self.folder, f"died-{name}").touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)

    def deliver(self, call: EffectCall) -> None:
        """Carry out the host's effect: one line in its log, which is complete even if the process dies next."""
        line = json.dumps({"effect": call.id, "name": call.name, "change": call.change.id})
        log = os.open(Path(self.folder, "effects"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(log, f"{line}\n".encode())
        os.close(log)

    def mortal(self, store: WatchedStore) -> WatchedStore:
        """Let the process die at its commits."""

        def dying(moment: str) -> Callable[[Sequence[Write]], None]:
            def look(writes: Sequence[Write]) -> None:
                for trigger in {entry.trigger for write in writes for entry in write.entries}:
                    if (moment, trigger) in self.deaths:
                        self.die(f"{moment}-{trigger}")

            return look

        store.before, store.after = dying("before"), dying("after")
        return store

    def open_workflow(self, after_callback: Callable[[str], object]) -> Workflow:
        """Open a workflow of this host."""
        keys = (Secret(CALLBACK_KEY),)
        settings = settings_for(self.gateway, callback_host=self.callback, callback_keys=keys, deadline=DEADLINE)
        return HostWorkflow(
            self.folder,
            storage=self.mortal(WatchedStore(open_storage(self.store))),
            gateway=BkItsmGateway(settings),
            effects={State.APPROVED: [Effect("start", self.deliver)]},
            policy=POLICY,
            after_callback=after_callback,
        )

    def app(self) -> Celery:
        """Return the host's app."""
        app = Celery("host", broker=self.broker, set_as_current=False)
        redis = {"global_keyprefix": f"{self.queue}:", "visibility_timeout": 5}
        app.conf.update(
            task_default_queue=self.queue,
            task_default_exchange=self.queue,
            task_default_routing_key=self.queue,
            broker_transport_options=redis if self.broker.startswith("redis") else {},
            worker_enable_remote_control=False,  # its queues would stay on the broker
            worker_prefetch_multiplier=2,
            broker_connection_retry_on_startup=True,
        )
        return app


class HostWorkflow(Workflow):
    """A workflow that leaves a mark of its process when it is closed."""

    def __init__(self, folder: str, **options: Any) -> None:
        super().__init__(**options)
        self._folder = folder

    def close(self, *, seconds: float | None = None) -> None:
        """Close, and leave the mark."""
        super().close(seconds=seconds)
        Path(self._folder, f"closed-{os.getpid()}").touch()


class Host:
    """The app and the tasks of a process, its own task included."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.app = place.app()
        self.tasks = CeleryTasks(self.app, lambda: place.open_workflow(self.tasks.settle_later))
        options = {"acks_late": True, "reject_on_worker_lost": True, "ignore_result": True}
        self.submit: Any = self.app.task(name="host.submit", **options)(self._submit_task())
        self.app.task(name="host.submit_left", **options)(self._submit_left_task())
        left = {"task": "host.submit_left", "schedule": 1.0, "options": {"expires": 1.0}}
        self.app.conf.beat_schedule.update(self.tasks.reconcile_every(1.0, seconds=10.0), **{"host.submit_left": left})

    def _submit_task(self) -> Callable[[str], None]:
        def submit(change_id: str) -> None:
            workflow = self.tasks.workflow()
            try:
                workflow.submit(change_id)
            except TransitionRefused:
                pass  # submitted already, by another message
            except AlreadyApplied:
                workflow.abandon(change_id, actor="host", reason="The subject has an open change.")

        return submit

    def _submit_left_task(self) -> Callable[[], None]:
        def submit_left() -> None:
            """Submit the drafts whose messages are lost, as the guide for hosts shows."""
            for change in self.tasks.workflow().find(states=[State.DRAFT], older_than=LEFT):
                if change.round > 0:
                    continue  # refused by the ticket system, for a person to correct
                try:
                    self.submit(change.id)
                except ItsmWorkflowError:
                    log.exception("The draft %s could not be submitted. The next pass tries it again.", change.id)

        return submit_left


def given_place() -> Place:
    """Return the place in this process's environment."""
    values = json.loads(os.environ[VARIABLE])
    return Place(**{**values, "deaths": tuple(tuple(one) for one in values["deaths"])})


def receive_and_die() -> None:
    """Receive the callback on the standard input, and die when it is stored and its message is not yet sent."""
    place = given_place()
    knock = json.load(sys.stdin)
    workflow = place.open_workflow(lambda _: place.die("enqueue"))
    workflow.receive(method="POST", path=knock["path"], headers=knock["headers"], body=knock["body"].encode())


if VARIABLE in os.environ:
    app = Host(given_place()).app
if __name__ == "__main__":
    receive_and_die()

"""The tasks, and what sends them: a callback, and Celery's beat.

A message is only a hint that a change may be due. The store knows which changes are due, so a message that is lost
costs time, and one that is delivered twice costs a look.
"""

from __future__ import annotations

import re
import threading
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
from celery import Celery  # type: ignore[import-untyped]  # it has no types
from celery.signals import worker_process_shutdown, worker_shutdown  # type: ignore[import-untyped]  # as above

from itsm_workflow.form import shown
from itsm_workflow.runtime.arguments import check_function, check_seconds, check_text, check_whole
from itsm_workflow.runtime.per_process import PerProcess
from itsm_workflow.workflow import Workflow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PREFIX = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_OPTIONS: Mapping[str, object] = {
    # A worker that dies leaves its message to another one.
    "acks_late": True,
    "reject_on_worker_lost": True,
    # A task that raised is not repeated: its change is due in the store, and the next pass finds it there.
    "acks_on_failure_or_timeout": True,
    "ignore_result": True,
    "serializer": "json",
    "shared": False,
}

_registered: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()
_registering = threading.Lock()


class CeleryTasks:
    """Registers two tasks on the host's Celery app, and keeps the workflow in which they run.

    Create it once for each app and workflow, where the app is created: in every process that sends or runs the tasks.

    Args:
        app: The host's app.
        open_workflow: A function without arguments that returns a new `Workflow`. It is called once in each process
            that runs a task, when the first one runs. A worker closes the workflow when it is shut down.
        prefix: The beginning of the tasks' names. A host with several workflows gives each its own.
        publish_timeout: The longest time in seconds that `settle_later` waits to connect to the broker, and again for
            each answer of the broker.

    Attributes:
        settle: The task ``<prefix>.settle(change_id)``.
        reconcile: The task ``<prefix>.reconcile(seconds=None, limit=None)``.

    Raises:
        TypeError: An argument has the wrong type; the message names it.
        ValueError: The prefix is not a dotted name, the timeout is not above 0, or the app has tasks of this prefix
            already.
    """

    def __init__(
        self,
        app: Celery,
        open_workflow: Callable[[], Workflow],
        *,
        prefix: str = "itsm_workflow",
        publish_timeout: float = 2.0,
    ) -> None:
        app = getattr(app, "_get_current_object", lambda: app)()  # `celery.current_app` stands for an app
        if not isinstance(app, Celery):
            raise TypeError(f"CeleryTasks(app=...) takes a Celery app, not {shown(app)}")
        check_function("CeleryTasks(open_workflow=...)", open_workflow)
        check_text("CeleryTasks(prefix=...)", prefix)
        _check_above_zero("CeleryTasks(publish_timeout=...)", publish_timeout)
        _claim_prefix(app, prefix)
        self._app = app
        self._prefix = prefix
        self._publish_timeout = publish_timeout
        self._processes = PerProcess(partial(_opened, open_workflow))
        self.settle: Any = app.task(name=f"{prefix}.settle", **_OPTIONS)(self._settle_task())
        self.reconcile: Any = app.task(name=f"{prefix}.reconcile", **_OPTIONS)(self._reconcile_task())
        for ending in (worker_process_shutdown, worker_shutdown):  # of a process of a prefork pool, of any other worker
            ending.connect(self._close_workflow)  # by a weak reference: the app's tasks keep this object alive

    def workflow(self) -> Workflow:
        """Return this process's workflow; the first call opens it.

        The host's views and its own tasks can use it, too. Only a worker closes it by itself.

        Raises:
            TypeError: The host's function did not return a workflow.
        """
        return self._processes.get()

    def settle_later(self, change_id: str) -> None:
        """Send the message that lets a worker settle a change: pass this method as ``Workflow(after_callback=...)``.

        If the broker fails, the workflow answers the callback all the same and notifies its observers. The change is
        stored as due, so the next pass settles it.

        Raises:
            Exception: The broker was not reached in time, or refused the message; kombu raises ``OperationalError``.
        """
        check_text("settle_later(change_id)", change_id)
        # A connection of its own: those of the app's pool wait and repeat as the host has configured, maybe forever.
        with self._app.connection_for_write(
            connect_timeout=self._publish_timeout, transport_options=_impatient(self._publish_timeout)
        ) as connection:
            connection.transport_options["max_retries"] = len(connection.alt) or 1  # every broker of a cluster
            self.settle.apply_async((change_id,), connection=connection, retry=False)

    def reconcile_every(
        self, every: float, *, seconds: float | None = None, limit: int | None = None
    ) -> dict[str, dict[str, Any]]:
        """Return the entry of a beat schedule that starts a pass again and again.

        A message that no worker has taken when the next one is sent expires, so that passes do not pile up while the
        workers are stopped.

        Args:
            every: The seconds from one pass to the next.
            seconds: The time of one pass, after which it begins nothing more; ``every`` by default.
            limit: The maximum number of changes of one pass; by default there is no limit.

        Returns:
            A dictionary with one entry, for ``app.conf.beat_schedule.update(tasks.reconcile_every(60))``.

        Raises:
            TypeError: An argument is not a number.
            ValueError: An argument is not above 0, or not finite.
        """
        _check_above_zero("reconcile_every(every)", every)
        if seconds is not None:
            _check_above_zero("reconcile_every(seconds=...)", seconds)
        if limit is not None:
            check_whole("reconcile_every(limit=...)", limit, least=1)
        name = f"{self._prefix}.reconcile"
        arguments = {"seconds": every if seconds is None else seconds, "limit": limit}
        return {name: {"task": name, "schedule": every, "kwargs": arguments, "options": {"expires": every}}}

    def _settle_task(self) -> Callable[[str], str]:
        def settle(change_id: str) -> str:
            """Bring one change to what the ticket system says now, and deliver its due effects; return its state."""
            return str(self.workflow().settle(change_id).state)

        return settle

    def _reconcile_task(self) -> Callable[..., dict[str, object]]:
        def reconcile(seconds: float | None = None, limit: int | None = None) -> dict[str, object]:
            """Bring every due change to what the ticket system says; return the numbers of the report."""
            return attrs.asdict(self.workflow().reconcile(seconds=seconds, limit=limit))

        return reconcile

    def _close_workflow(self, **_: object) -> None:
        self._processes.close()


def _opened(open_workflow: Callable[[], Workflow]) -> Workflow:
    opened: object = open_workflow()
    if not isinstance(opened, Workflow):
        raise TypeError(f"CeleryTasks(open_workflow=...) takes a function that returns a Workflow, not {shown(opened)}")
    return opened


def _claim_prefix(app: Celery, prefix: str) -> None:
    """Note that an app has the tasks: Celery itself keeps the first task of a name, silently."""
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"CeleryTasks(prefix=...) takes a dotted name such as itsm_workflow, not {shown(prefix)}")
    with _registering:
        prefixes = _registered.setdefault(app, set())
        if prefix in prefixes:
            raise ValueError(
                f"CeleryTasks(app=...): the app has the tasks {prefix}.settle and {prefix}.reconcile already: "
                "create CeleryTasks once, or give each workflow its own prefix"
            )
        prefixes.add(prefix)


def _check_above_zero(argument: str, value: object) -> None:
    check_seconds(argument, value)
    if not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError(f"{argument} takes a number of seconds above 0, and not infinity, not {shown(value)}")


def _impatient(seconds: float) -> dict[str, float]:
    """Return the options with which a broker that does not answer costs little time: no pause between tries."""
    return {
        "interval_start": 0,
        "interval_step": 0,
        "interval_max": 0,
        "connect_retries_timeout": seconds,
        "socket_connect_timeout": seconds,
        "socket_timeout": seconds,
        "read_timeout": seconds,
        "write_timeout": seconds,
    }

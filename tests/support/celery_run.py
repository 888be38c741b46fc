"""Changes of a host with Celery whose workers are killed: real processes, a real broker, and the books afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Self

import attrs
import redis

from itsm_workflow import State
from itsm_workflow.audit import AuditReport, Delivery, audit
from itsm_workflow.change import AttentionReason
from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.sandbox import Sandbox
from tests.support.celery_host import Host, Place
from tests.support.celery_report import has_ended, report
from tests.support.limits import PATIENCE
from tests.support.places import Door

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery  # type: ignore[import-untyped]  # it has no types

    from itsm_workflow.sandbox.ledger import Ledger

ROOT = Path(__file__).parents[2]
_POLL = 0.1


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: It did not hold in time.
    """
    end, pause = time.monotonic() + PATIENCE, threading.Event()
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the condition did not hold in time")
        pause.wait(_POLL)


def new_queue() -> str:
    """Return the name of a queue that no other run has."""
    return f"itsm-test-{secrets.token_hex(4)}"


def remove_queue(app: Celery) -> None:
    """Remove a run's queue and its exchange from the broker, with everything of the run that is left."""
    name = app.conf.task_default_queue
    if app.conf.broker_url.startswith("redis"):
        with contextlib.closing(redis.Redis.from_url(app.conf.broker_url)) as client:
            for key in client.scan_iter(match=f"{name}:*"):
                client.delete(key)
        return
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        channel.queue_delete(name)
        channel.exchange_delete(name)


def _applicant_of(subject: str) -> str:
    """Return one of 1,000 applicants: a look-up reads at most 5,000 tickets that one of them filed in two days."""
    return f"applicant-{zlib.crc32(subject.encode()) % 1000}"


@attrs.frozen(kw_only=True)
class Worker:
    """A worker of the host: the leader of a process group, and the processes of its pool."""

    process: subprocess.Popen[bytes]

    @property
    def children(self) -> list[int]:
        """The processes of the pool."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        try:
            return [int(pid) for pid in path.read_text(encoding="ascii").split()]
        except OSError:
            return []

    def kill(self) -> None:
        """Kill the whole worker, as a machine that loses its power."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class CeleryRun:
    """The environment of one run: the ticket system, the port for callbacks, the workers and the beat.

    Args:
        store: The URL of an empty store.
        broker: The URL of the broker.
        folder: A folder for the logs.
        seed: The seed of the kills and of the decisions.
        deaths: The commits at which a process of the host kills itself.
    """

    def __init__(
        self, *, store: str, broker: str, folder: Path, seed: int = 0, deaths: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self.random = Random(seed)
        self.sandbox = Sandbox(seed=seed, start_delay=0.05, decision_delay=0.05)
        self.door = Door()
        self.killed = self.resent = 0
        self.subjects: list[str] = []
        self.workers: list[Worker] = []
        self._given = {"store": store, "broker": broker, "queue": new_queue(), "folder": str(folder), "deaths": deaths}
        self._folder = folder
        self._closing = contextlib.ExitStack()
        self._is_over = threading.Event()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opening:
            opening.enter_context(self.door)
            opening.enter_context(self.sandbox)
            self.place = Place(gateway=self.sandbox.url, callback=self.door.url, **self._given)  # type: ignore[arg-type]
            # This process files nothing and does not die: it receives callbacks, and looks at the store.
            self.host = Host(attrs.evolve(self.place, deaths=()))
            opening.callback(remove_queue, self.host.app)
            self.workflow = self.host.tasks.workflow()
            self.store = self.workflow._journal.storage
            definition = self.workflow.definition
            self.open_states = [state.value for state in definition.states if state not in definition.final]
            opening.callback(self.store.close)
            opening.callback(self.workflow.close)
            self.door.receive = self.workflow.receive
            decider = threading.Thread(target=self._decide, daemon=True)
            decider.start()
            opening.callback(decider.join)
            opening.callback(self._is_over.set)
            opening.callback(self._stop)
            self._closing = opening.pop_all()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:  # also the limit of a test, which ends a wait for changes that do not end
            error.add_note(report(self))
        self._closing.close()

    def start(self, count: int, *, concurrency: int = 2) -> None:
        """Start workers."""
        for _ in range(count):
            options = [
                f"--concurrency={concurrency}",
                f"--hostname={secrets.token_hex(4)}@host",
                "--without-gossip",
                "--without-mingle",
                "--without-heartbeat",
            ]
            self.workers.append(Worker(process=self._spawn("worker", *options)))

    def start_beat(self) -> None:
        """Start the beat, which sends a pass over due changes and one over drafts that are left, each second."""
        beat = Worker(process=self._spawn("beat", "--schedule", str(self._folder / "schedule"), "--pidfile="))
        self._closing.callback(beat.kill)

    def apply(self, count: int) -> None:
        """Draft changes of new subjects, and send a message for each; a worker submits it, and files the ticket.

        A draft whose message is lost is submitted by the host's task for drafts that are left.
        """
        for number in range(len(self.subjects), len(self.subjects) + count):
            self.subjects.append(f"collector-{number}")
            self.host.submit.apply_async((self._draft(self.subjects[-1]),))

    def _draft(self, subject: str) -> str:
        """Draft a change, and return its id. If the store does not answer, look first whether the draft is in it."""
        is_new = True
        while True:
            with contextlib.suppress(StorageUnavailable):
                found = None if is_new else next(self.workflow.find(subject=subject), None)
                is_new = False
                if found is None:
                    found = self.workflow.draft(
                        subject=subject, title=subject, applicant=_applicant_of(subject), approvers=["carol"]
                    )
                return found.id

    def lose_messages(self) -> int:
        """Remove all messages that wait on the broker, and return their number."""
        with self.host.app.connection_for_write() as connection:
            return int(connection.default_channel.queue_purge(self.place.queue))

    def kill_at(self, requests: int) -> None:
        """Kill as soon as the ticket system has served so many requests."""
        self.sandbox.wait(lambda ledger: ledger.requests.total() >= requests, PATIENCE)
        self.kill()

    def kill(self) -> None:
        """Kill a process of a worker's pool, or a whole worker, and start another one for it."""
        number = self.random.randrange(len(self.workers))
        children = self.workers[number].children
        if children and self.random.random() < 2 / 3:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.random.choice(children), signal.SIGKILL)
        else:
            self.workers.pop(number).kill()
            self.start(1)
        self.killed += 1

    def finish(self) -> None:
        """Wait until every change has ended and its effects are delivered; act as an operator where one is needed."""

        def ended() -> bool:
            try:
                return self._has_ended()
            except StorageUnavailable:
                return False  # the database restarts

        until(ended)

    def audit(self) -> AuditReport:
        """Compare the store with the ticket system's ledger and the host's log, row by row."""
        return audit(
            self.store,
            self.sandbox,
            asked=self.subjects,
            effects_expected={State.APPROVED.value: ["start"]},
            deliveries=self.deliveries(),
        )

    def deliveries(self) -> list[Delivery]:
        """Return the host's own log of its effect."""
        path = self._folder / "effects"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [Delivery(**json.loads(line)) for line in lines]

    def marks(self, kind: str) -> list[str]:
        """Return what the processes of the host noted as ``died`` or ``closed``, in order."""
        return sorted(path.name.removeprefix(f"{kind}-") for path in self._folder.glob(f"{kind}-*"))

    def log(self) -> str:
        """Return what the workers logged."""
        return (self._folder / "log").read_text(encoding="utf-8", errors="replace")

    def _has_ended(self) -> bool:
        for change in self.workflow.find(attention=[AttentionReason.NOT_FOUND]):
            # Its worker died before the create was sent, which only a person may conclude.
            self.workflow.resend(change.id, actor="olive", reason="the ticket system shows no ticket")
            self.resent += 1
        if next(self.workflow.find(states=self.open_states), None) is not None:
            return False
        return all(has_ended(self, change) for change in self.workflow.find())

    def _decide(self) -> None:
        """Decide every ticket as soon as an approver may: every fifth is rejected."""
        waiting: list[int] = []
        seen = 0

        def ready(ledger: Ledger) -> list[int]:
            nonlocal seen
            waiting.extend(ticket.id for ticket in ledger._tickets[seen:])
            seen = len(ledger._tickets)
            return [number for number in waiting if ledger.by_id(number).step_running]

        while not self._is_over.is_set():
            with contextlib.suppress(TimeoutError):
                for number in self.sandbox.wait(ready, _POLL):
                    waiting.remove(number)
                    (self.sandbox.reject if number % 5 == 0 else self.sandbox.approve)(number)

    def _spawn(self, what: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "celery", "--quiet", "--app", "tests.support.celery_host", what, *options]
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*command, "--loglevel", "WARNING"],
                cwd=ROOT,
                env=self.place.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _stop(self) -> None:
        """Shut the workers down; end those that do not follow."""
        for worker in self.workers:
            worker.process.terminate()
        for worker in self.workers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.process.wait(10)
            worker.kill()

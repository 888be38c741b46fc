"""The stage of the demonstration: a stand-in of BK-ITSM, a callback server, a store, and the host between them."""

from __future__ import annotations

import http.client
import json
import os
import random
import secrets
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import attrs

from itsm_workflow.change import EffectStatus
from itsm_workflow.demo.callback_server import CallbackServer
from itsm_workflow.demo.host import DEADLINE, Deliveries, open_host
from itsm_workflow.sandbox import Sandbox
from itsm_workflow.sandbox.ticket import CallbackOutcome
from itsm_workflow.settings import VARIABLES, Settings

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from itsm_workflow.audit import Forged
    from itsm_workflow.change import ChangeRequest, Entry
    from itsm_workflow.demo.host import Host
    from itsm_workflow.errors import ItsmWorkflowError
    from itsm_workflow.sandbox.ticket import TicketView
    from itsm_workflow.workflow import Workflow

PATIENCE = 20.0
"""The time-out, in seconds, of every wait for an expected event."""

_TURN = 0.1
_START_DELAY, _DECISION_DELAY = 0.15, 0.05
_STORE, _DELIVERIES, _PROCESSES = "changes.db", "deliveries.jsonl", "processes.log"


class NotAsExpectedError(Exception):
    """An expected event did not happen, or something else happened."""


def expect(holds: object, what: str) -> None:
    """Raise an error unless the condition holds.

    Raises:
        NotAsExpectedError: The condition does not hold.
    """
    if not holds:
        raise NotAsExpectedError(f"expected: {what}")


@attrs.frozen(kw_only=True)
class Ask:
    """The request of one change."""

    subject: str
    title: str
    applicant: str
    approvers: tuple[str, ...]


class Stage:
    """The environment of the scenarios; a context manager.

    Args:
        folder: The folder of the store and the host's log; must not hold a store yet.
        seed: The seed of ids, and of the stand-in's random choices.

    Raises:
        FileExistsError: The folder already holds a store.

    Attributes:
        sandbox: The stand-in of BK-ITSM; its tickets are the ledger.
        workflow: The workflow; it is open until `silence` is called or the stage is left.
        deliveries: The host's log.
        asked: The subjects for which a change was filed.
        forged: The forged callbacks that were sent, with the answers to them.
        store: The URL of the store.
    """

    workflow: Workflow

    def __init__(self, *, folder: pathlib.Path, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = (folder / _STORE).absolute()
        if path.exists():
            raise FileExistsError(
                f"{path} exists, but the demonstration starts with an empty store: choose another folder"
            )
        self.folder = folder
        self.store = f"sqlite:///{path.as_posix()}"
        self.deliveries = Deliveries(folder / _DELIVERIES)
        self.asked: list[str] = []
        self.forged: list[Forged] = []
        self.sandbox = Sandbox(seed=seed, start_delay=_START_DELAY, decision_delay=_DECISION_DELAY)
        self.callback_server = CallbackServer()
        self._random = random.Random(seed)  # noqa: S311 - reproducible ids, not secrets
        self._signal = _Signal()
        self._host: Host | None = None
        self._children: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        try:
            self.sandbox.start()
            self.environ = self._environment()
            self._host = open_host(
                Settings.from_env(self.environ),
                self.deliveries,
                observers=[self._signal],
                entropy=self._random.randbytes,
            )
            self.workflow = self._host.workflow
            self.callback_server.open(self.workflow.receive)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill the other processes, and stop the stand-in and the host."""
        for child in self._children:
            child.kill()
            child.wait()
        self.sandbox.close()
        self.silence()

    def silence(self) -> None:
        """Stop the host, so that no callback is received and nothing is written. The stand-in and the store stay."""
        self.callback_server.close()
        if self._host is not None:
            self._host.close()

    # ---------------------------------------------------------------- changes

    def file(self, ask: Ask) -> ChangeRequest:
        """Apply for a change."""
        self.asked.append(ask.subject)
        return self.workflow.apply(
            subject=ask.subject, title=ask.title, applicant=ask.applicant, approvers=ask.approvers
        )

    def pending(self, ask: Ask) -> ChangeRequest:
        """Apply for a change and wait until it has its ticket, which may take look-ups on a slow machine."""
        change = self.file(ask)
        return change if change.ticket else self.until(ask, lambda seen: seen.ticket, "filed")

    def change(self, ask: Ask) -> ChangeRequest:
        """Return the stored change.

        Raises:
            ChangeNotFound: The change is not stored.
        """
        return self.workflow.resolve(ask.subject)

    def triggers(self, ask: Ask) -> list[str]:
        """Return the triggers that moved the change, in order."""
        return [entry.trigger for entry in self.workflow.history(self.change(ask).id)]

    def until(self, ask: Ask, wanted: Callable[[ChangeRequest], object], what: str) -> ChangeRequest:
        """Reconcile repeatedly, as cron would, until the condition holds for the change.

        Raises:
            TimeoutError: The condition did not hold in time; the message says what the change waits for.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            self._signal.clear()
            self.workflow.reconcile()
            change = self.change(ask)
            if wanted(change):
                return change
            if time.monotonic() > deadline:
                waits = self.workflow.why(change.id)
                raise TimeoutError(f"{ask.subject} was not {what} within {PATIENCE:.0f} s: {waits}")
            self._signal.wait(_TURN)

    def until_ended(self, ask: Ask) -> ChangeRequest:
        """Reconcile until the change has ended, its effects are delivered, and no callback is pending."""
        self.until(ask, _has_ended, "ended")
        self.sandbox.wait(
            lambda ledger: all(
                callback.outcome is not CallbackOutcome.PENDING
                for ticket in ledger.tickets()
                for callback in ticket.callbacks
            ),
            PATIENCE,
        )
        return self.until(ask, _has_ended, "ended with all its effects")

    # ---------------------------------------------------------------- tickets and callbacks

    def step_open(self, change: ChangeRequest) -> TicketView:
        """Wait until the ticket's approval step runs, and return the ticket."""
        ticket_id = int(change.expect_ticket().id)
        self.sandbox.wait(lambda ledger: ledger.by_id(ticket_id).step_running, PATIENCE)
        return self.sandbox.ticket(ticket_id)

    def callback_target(self, change: ChangeRequest) -> tuple[str, dict[str, str]]:
        """Return the URL and the headers that the stand-in has for the ticket's callbacks."""
        with self.sandbox.locked() as ledger:
            meta = ledger.by_id(int(change.expect_ticket().id)).draft.meta
            return str(meta["callback_url"]), dict(meta["headers"])

    def call_back(self, url: str, headers: Mapping[str, str], body: Mapping[str, object]) -> tuple[int, bytes]:
        """Post a made-up callback to the port, and return the status of the answer and the body that was sent."""
        parts = urlsplit(url)
        sent = json.dumps(body).encode("ascii")
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE)
        try:
            connection.request("POST", parts.path, sent, {**headers, "Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            return answer.status, sent
        finally:
            connection.close()

    # ---------------------------------------------------------------- other processes

    def spawn(self, role: str, ask: Ask) -> subprocess.Popen[bytes]:
        """Start another process on the same store; see `itsm_workflow.demo.child`."""
        command = [sys.executable, "-m", "itsm_workflow.demo.child", role, str(self.deliveries.path)]
        ours = {name for names in VARIABLES.values() for name in names}
        inherited = {name: value for name, value in os.environ.items() if name not in ours}
        with (self.folder / _PROCESSES).open("ab") as log:
            child = subprocess.Popen(  # noqa: S603 - this interpreter, a module of this package
                [*command, json.dumps(attrs.asdict(ask))],
                env={**inherited, **self.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._children.append(child)
        return child

    def _environment(self) -> dict[str, str]:
        """Return the settings as variables, so that every process of the stage reads the same ones."""
        return {
            "BKAPP_ITSM_APP_CODE": "itsm-workflow-demo",
            "BKAPP_ITSM_APP_SECRET": secrets.token_hex(16),
            "BKAPP_ITSM_GATEWAY_URL": self.sandbox.url,
            "BKAPP_ITSM_VERSION": "v2",
            "BKAPP_ITSM_FAST_APPROVAL": "true",
            "BKAPP_ITSM_CALLBACK_HOST": self.callback_server.url,
            "BKAPP_ITSM_CALLBACK_KEYS": secrets.token_hex(32),
            "BKAPP_ITSM_STORE": self.store,
            "BKAPP_ITSM_TIMEOUT": str(DEADLINE),
            "BKAPP_ITSM_DEADLINE": str(DEADLINE),
            "BKAPP_ITSM_KEY_PREFIX": "demo",
        }


class _Signal:
    """An observer that wakes a waiting thread when an entry was committed in this process."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def clear(self) -> None:
        self._event.clear()

    def wait(self, seconds: float) -> None:
        self._event.wait(seconds)

    def on_entry(self, _change: ChangeRequest, _entry: Entry) -> None:
        self._event.set()

    def on_trouble(self, _change_id: str, _error: ItsmWorkflowError) -> None:
        self._event.set()


def _has_ended(change: ChangeRequest) -> bool:
    return change.outcome is not None and not any(
        one.status in {EffectStatus.PLANNED, EffectStatus.STARTED} for one in change.effects
    )

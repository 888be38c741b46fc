"""The stage of the demonstration: a BK-ITSM stand-in, a callback port, a store, and the host between them."""

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
from itsm_workflow.demo.host import DEADLINE, Deliveries, open_host
from itsm_workflow.demo.port import CallbackPort
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
"""Seconds after which something that should have happened counts as not happening."""

_TURN = 0.1
_START_DELAY, _DECISION_DELAY = 0.15, 0.05
_STORE, _DELIVERIES, _PROCESSES = "changes.db", "deliveries.jsonl", "processes.log"


class NotAsExpectedError(Exception):
    """Something did not happen, or happened otherwise."""


def expect(holds: object, what: str) -> None:
    """Go on only if it holds.

    Raises:
        NotAsExpectedError: It does not.
    """
    if not holds:
        raise NotAsExpectedError(f"expected: {what}")


@attrs.frozen(kw_only=True)
class Ask:
    """What one change asks for."""

    subject: str
    title: str
    applicant: str
    approvers: tuple[str, ...]


class Stage:
    """Everything that the scenarios play on; a context manager.

    Args:
        folder: Where the store and the host's log are kept; must hold no store yet.
        seed: Decides ids, and what the stand-in draws.

    Raises:
        FileExistsError: The folder holds a store.

    Attributes:
        sandbox: The BK-ITSM stand-in; its tickets are the ledger.
        workflow: The workflow, open as long as the stage is entered and not `silence`-d.
        deliveries: The host's own log.
        asked: The subjects that a change was asked for.
        forged: The forged callbacks that were sent, with their answers.
        store: The URL of the store.
    """

    workflow: Workflow

    def __init__(self, *, folder: pathlib.Path, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = (folder / _STORE).absolute()
        if path.exists():
            raise FileExistsError(f"{path} exists: the demonstration begins with an empty store")
        self.folder = folder
        self.store = f"sqlite:///{path.as_posix()}"
        self.deliveries = Deliveries(folder / _DELIVERIES)
        self.asked: list[str] = []
        self.forged: list[Forged] = []
        self.sandbox = Sandbox(seed=seed, start_delay=_START_DELAY, decision_delay=_DECISION_DELAY)
        self.port = CallbackPort()
        self._random = random.Random(seed)  # noqa: S311 - ids that repeat, no secrets
        self._news = _News()
        self._host: Host | None = None
        self._children: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        try:
            self.sandbox.start()
            self.environ = self._environment()
            self._host = open_host(
                Settings.from_env(self.environ),
                self.deliveries,
                observers=[self._news],
                entropy=self._random.randbytes,
            )
            self.workflow = self._host.workflow
            self.port.open(self.workflow.receive)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every process, the stand-in and the host."""
        for child in self._children:
            child.kill()
            child.wait()
        self.sandbox.close()
        self.silence()

    def silence(self) -> None:
        """Stop the host: nothing is heard or written from here on. The stand-in and the store stay."""
        self.port.close()
        if self._host is not None:
            self._host.close()

    # ---------------------------------------------------------------- asking and looking

    def file(self, ask: Ask) -> ChangeRequest:
        """Apply for a change."""
        self.asked.append(ask.subject)
        return self.workflow.apply(
            subject=ask.subject, title=ask.title, applicant=ask.applicant, approvers=ask.approvers
        )

    def pending(self, ask: Ask) -> ChangeRequest:
        """Apply for a change and wait until it has its ticket, which on a slow machine takes a look-up or two."""
        change = self.file(ask)
        return change if change.ticket else self.until(ask, lambda seen: seen.ticket, "filed")

    def change(self, ask: Ask) -> ChangeRequest:
        """Return the change as it is stored.

        Raises:
            ChangeNotFound: There is none.
        """
        return self.workflow.resolve(ask.subject)

    def triggers(self, ask: Ask) -> list[str]:
        """Return the triggers that moved the change, in order."""
        return [entry.trigger for entry in self.workflow.history(self.change(ask).id)]

    def until(self, ask: Ask, wanted: Callable[[ChangeRequest], object], what: str) -> ChangeRequest:
        """Reconcile as cron would, only more often, until the change is as wanted.

        Raises:
            TimeoutError: It was not in time; the message says what it waits for.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            self._news.forget()
            self.workflow.reconcile()
            change = self.change(ask)
            if wanted(change):
                return change
            if time.monotonic() > deadline:
                waits = self.workflow.why(change.id)
                raise TimeoutError(f"{ask.subject} was not {what} within {PATIENCE:.0f} s: {waits}")
            self._news.wait(_TURN)

    def until_ended(self, ask: Ask) -> ChangeRequest:
        """Reconcile until the change has ended, its effects were delivered, and no callback is on its way."""
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

    # ---------------------------------------------------------------- the ticket's side

    def step_open(self, change: ChangeRequest) -> TicketView:
        """Wait until the ticket's approval step runs, and return the ticket."""
        ticket_id = int(change.expect_ticket().id)
        self.sandbox.wait(lambda ledger: ledger.by_id(ticket_id).step_running, PATIENCE)
        return self.sandbox.ticket(ticket_id)

    def callback_target(self, change: ChangeRequest) -> tuple[str, dict[str, str]]:
        """Return the URL and the headers that the stand-in was told for the ticket's callbacks."""
        with self.sandbox.locked() as ledger:
            meta = ledger.by_id(int(change.expect_ticket().id)).draft.meta
            return str(meta["callback_url"]), dict(meta["headers"])

    def call_back(self, url: str, headers: Mapping[str, str], body: Mapping[str, object]) -> tuple[int, bytes]:
        """Post a callback of our own making to the port, and return the answer's status and what was sent."""
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
        """Start a process of its own that works on the same store; see `itsm_workflow.demo.child`."""
        command = [sys.executable, "-m", "itsm_workflow.demo.child", role, str(self.deliveries.path)]
        ours = {name for names in VARIABLES.values() for name in names}
        inherited = {name: value for name, value in os.environ.items() if name not in ours}
        with (self.folder / _PROCESSES).open("ab") as log:
            child = subprocess.Popen(  # noqa: S603 - this interpreter, our own module
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
            "BKAPP_ITSM_CALLBACK_HOST": self.port.url,
            "BKAPP_ITSM_CALLBACK_KEYS": secrets.token_hex(32),
            "BKAPP_ITSM_STORE": self.store,
            "BKAPP_ITSM_TIMEOUT": str(DEADLINE),
            "BKAPP_ITSM_DEADLINE": str(DEADLINE),
            "BKAPP_ITSM_KEY_PREFIX": "demo",
        }


class _News:
    """Tells a waiting thread that an entry was committed in this process; an observer."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def forget(self) -> None:
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

"""A ticket system, a store and a clock, and the workflows that a test opens over them."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar

from itsm_workflow import BkItsmGateway, Settings, Workflow, open_storage
from itsm_workflow.bkapi.client import ApiClient
from itsm_workflow.secrets import Secret
from itsm_workflow.testing.manual_clock import ManualClock
from tests.support.limits import PATIENCE
from tests.support.places import Door, WatchedSandbox, WatchedStore, Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow import ChangeRequest
    from itsm_workflow.form import FormArguments
    from itsm_workflow.sandbox import TicketView
    from itsm_workflow.storage.protocol import StorageBackend

SUBJECT = "collector-42"
APP_SECRET = "canary-app-secret-0123456789"
CALLBACK_KEY = "canary-callback-key-0123456789-abcdef"

T = TypeVar("T")


def asked(
    *,
    title: str = "接入 nginx 日志",
    applicant: str = "alice",
    approvers: Sequence[str] = ("carol", "dave"),
    content: str = "",
    fields: Mapping[str, object] | None = None,
) -> FormArguments:
    """Return the arguments with which a host applies."""
    return {
        "title": title,
        "applicant": applicant,
        "approvers": approvers,
        "content": content,
        "fields": fields if fields is not None else {"expect_host_size": 10},
    }


class Office:
    """The environment of the workflows of one test.

    Args:
        store_url: The URL of the store.
        sandbox: Options for the sandbox.
    """

    def __init__(self, store_url: str, **sandbox: Any) -> None:
        self.store_url = store_url
        self.clock = ManualClock()
        self.witness = Witness()
        self.door = Door()
        self.sandbox = WatchedSandbox(clock=self.clock.now, **sandbox)
        self.store = WatchedStore(open_storage(store_url))
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._closing.callback(self.store.close)
        self._closing.enter_context(self.door)
        self._closing.enter_context(self.sandbox)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def settings(self, **changes: Any) -> Settings:
        """Return the settings for this sandbox and this door."""
        values: dict[str, Any] = {
            "app_code": "collector",
            "app_secret": Secret(APP_SECRET),
            "gateway_url": self.sandbox.url,
            "fast_approval": True,
            "callback_host": self.door.url,
            "callback_keys": (Secret(CALLBACK_KEY),),
            "ticket_hosts": ("itsm.example.com",),
            **changes,
        }
        return Settings(**values)

    def gateway(self, settings: Settings | None = None) -> BkItsmGateway:
        """Return a gateway that retries without a pause."""
        settings = settings or self.settings()
        client = ApiClient(settings, clock=self.clock, sleep=lambda _: None)
        gateway = BkItsmGateway(settings, clock=self.clock, client=client)
        self._closing.callback(gateway.close)
        return gateway

    def workflow(
        self, settings: Settings | None = None, *, storage: StorageBackend | None = None, **options: Any
    ) -> Workflow:
        """Open a workflow on the store; the door passes requests to the newest workflow.

        The change of a callback is settled before the answer unless an option says otherwise.
        """
        values: dict[str, Any] = {
            "gateway": self.gateway(settings),
            "after_callback": "inline",
            "observers": (self.witness,),
            "clock": self.clock,
            **options,
        }
        workflow = Workflow(storage=storage or self.store, **values)
        self._closing.callback(workflow._inbox.close)
        self.door.receive = workflow.receive
        return workflow

    def pass_time(self, seconds: float = 1.0) -> None:
        """Advance the clock, and run everything that is due in the ticket system, callbacks included."""
        self.clock.advance(seconds)
        self.sandbox.run_due()

    def decide(self, ticket: str | int, *, approved: bool) -> None:
        """Let the first approver decide a ticket, and let the decision take effect."""
        self.pass_time()
        (self.sandbox.approve if approved else self.sandbox.reject)(ticket)
        self.pass_time()

    def approve(self, change: ChangeRequest) -> None:
        """Let the first approver approve a change's ticket."""
        self.decide(int(change.expect_ticket().id), approved=True)

    def reject(self, change: ChangeRequest) -> None:
        """Let the first approver reject a change's ticket."""
        self.decide(int(change.expect_ticket().id), approved=False)

    def only_ticket(self) -> TicketView:
        """Return the only ticket."""
        tickets = self.sandbox.tickets()
        assert len(tickets) == 1
        return tickets[0]


def triggers(workflow: Workflow, change: ChangeRequest) -> list[str]:
    """Return the triggers of a change's history, after a check of its numbers and of its path."""
    history = workflow.history(change.id)
    assert [entry.seq for entry in history] == list(range(1, len(history) + 1))
    assert [entry.source for entry in history] == ["", *(entry.dest for entry in history[:-1])]
    assert history[-1].dest == workflow.get(change.id).state
    return [entry.trigger for entry in history]


def together(*works: Callable[[], T]) -> list[T | Exception]:
    """Call all functions at the same time, each in a thread; return what each returned or raised, in order."""
    outcomes: list[T | Exception | None] = [None] * len(works)
    barrier = threading.Barrier(len(works))

    def run(number: int) -> None:
        barrier.wait(PATIENCE)
        try:
            outcomes[number] = works[number]()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            outcomes[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    return [outcome for outcome in outcomes if outcome is not None]

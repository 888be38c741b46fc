"""A workflow whose gateway is a server with faults on a real socket."""

from __future__ import annotations

import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self, TypeVar

from itsm_workflow import Workflow
from itsm_workflow.bkapi.client import ApiClient
from itsm_workflow.bkapi.retry import NO_RETRY
from itsm_workflow.gateway.bk_itsm.adapter import BkItsmGateway
from itsm_workflow.testing.manual_clock import ManualClock
from itsm_workflow_backends.memory import MemoryBackend
from tests.integration.gateway.test_lies import listed, scripted
from tests.support.gateways import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from itsm_workflow import ChangeRequest
    from itsm_workflow.bkapi.call_log import CallRecord
    from itsm_workflow.bkapi.retry import RetryPolicy
    from itsm_workflow.runtime.observers import Observer
    from tests.support.fault_server import Connection

    Serve = Callable[[Connection], None]

K = TypeVar("K")
R = TypeVar("R")


class Wire:
    """A workflow over a gateway root, with a manual clock and real connections.

    Args:
        url: The gateway root.
        gateway: The gateway; by default one for the root.
        clock: The clock; by default a new one.
        observers: Notified of errors.
        retry: The retry policy of reads.
        given: Settings that differ from the defaults.
    """

    def __init__(
        self,
        url: str = "",
        *,
        gateway: BkItsmGateway | None = None,
        clock: ManualClock | None = None,
        observers: Sequence[Observer] = (),
        retry: RetryPolicy = NO_RETRY,
        **given: Any,
    ) -> None:
        self.clock = clock or ManualClock()
        self.records: list[CallRecord] = []
        if gateway is None:
            # Cases are independent: the failures of one must not hold back the calls of the next, unless a test asks.
            wanted = settings(url, **{"deadline": 1.0, "breaker_failures": 0, **given})
            client = ApiClient(wanted, retry=retry, observers=[self.records.append], clock=self.clock)
            gateway = BkItsmGateway(wanted, client=client, clock=self.clock)
        self.gateway = gateway
        self.storage = MemoryBackend()
        self.workflow = Workflow(
            storage=self.storage, gateway=gateway, callbacks=False, clock=self.clock, observers=observers
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.workflow.close()
        self.gateway.close()

    @property
    def creates(self) -> int:
        """The number of creates that were called."""
        return Counter(record.endpoint for record in self.records)["create_ticket"]

    def apply(self, subject: object = "collector-1", title: str = "接入日志") -> ChangeRequest:
        """File a change."""
        return self.workflow.apply(subject=str(subject), title=title, applicant="alice", approvers=["bob"])

    def use_up_lookups(self) -> None:
        """Settle each change after each wait of the look-up schedule."""
        for wait in self.workflow.policy.lookups:
            self.clock.advance(wait.total_seconds() + 0.001)
            for change in list(self.workflow.find()):
                self.workflow.settle(change.id)


def at_create(fault: Serve, otherwise: Serve | None = None) -> Serve:
    """Return a server with this fault on creates; by default it finds no ticket in other calls."""
    rest = otherwise or scripted({"get_tickets": lambda _: listed([])})

    def serve(connection: Connection) -> None:
        first = connection.sock.recv(200, socket.MSG_PEEK)
        (fault if b"create_ticket" in first.partition(b"\r\n")[0] else rest)(connection)

    return serve


def spread(work: Callable[[K], R], keys: Iterable[K], workers: int) -> Iterator[tuple[K, R]]:
    """Do the work of each key in threads, and yield each key with its result, in order."""
    listed_keys = list(keys)
    with ThreadPoolExecutor(workers) as pool:
        yield from zip(listed_keys, pool.map(work, listed_keys), strict=True)


def forget_peak() -> None:
    """Reset the record of this process's peak memory."""
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:  # noqa: PTH123 - no path of a user
        file.write("5")


def peak() -> int:
    """Return the peak memory of this process in bytes."""
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123 - as above
        [line] = [line for line in file if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024

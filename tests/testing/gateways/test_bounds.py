"""The check ends with a finding when a gateway hangs, and when a method of the author's ticket system raises."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from docs.examples.issue_tracker import Page, TrackerGateway
from docs.examples.issue_tracker_system import TOKEN, Tracker
from itsm_workflow.cli import main
from itsm_workflow.cli.exits import Exit
from itsm_workflow.testing.gateway_conformance import GatewayConformance, check_gateway

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itsm_workflow.change import Ticket
    from itsm_workflow.gateway import CreateRequest, FoundTicket, SentTicket, TicketGateway
    from itsm_workflow.machine.evidence import Snapshot

FILES = "a create files one ticket"
DECIDED = "a ticket waits until a person decides"
LOOKS = "a key that no ticket carries finds nothing"


class Hanging(Tracker):
    """A tracker whose gateway hangs in one method until the tracker is closed."""

    patience = 0.2
    batch = 1
    method = ""

    def __init__(self) -> None:
        super().__init__()
        self.over = threading.Event()

    def gateway(self, url: str) -> TicketGateway:
        """Return a gateway whose method waits."""
        gateway = super().gateway(url)
        if self.method:
            setattr(gateway, self.method, lambda *_arguments, **_options: self.over.wait())
        return gateway

    def close(self) -> None:
        """Let it go on."""
        self.over.set()
        super().close()


@pytest.mark.parametrize(
    ("method", "promise"),
    [
        ("service", FILES),
        ("create", FILES),
        ("create", "Ctrl-C ends a create"),
        ("find_by_key", FILES),
        ("find_by_sn", "a ticket is found by its key among many"),
        ("read", DECIDED),
        ("results", "the results of many equal those of one by one"),
        ("withdraw", "a withdrawal ends the ticket, also the second time"),
        ("withdraw", "no secret is shown"),
        ("preview", "a form is checked and shown without a request"),
        ("check_form", "a form is checked and shown without a request"),
        ("close", FILES),
    ],
)
def test_a_method_that_hangs_is_a_finding(method: str, promise: str) -> None:
    """The check names the method, and goes on with the next promise."""
    system = type("System", (Hanging,), {"method": method})
    (reason,) = check_gateway(system, only=[promise]).broken.values()
    assert reason.startswith(f"{method} had not ended after ")
    assert reason.endswith("no request for 0.4 s, 2 times TicketSystem.patience: each call must end by itself")


class NeverLastPage(TrackerGateway):
    """Reads the first page of the list again and again."""

    def find_by_key(self, sent: SentTicket) -> Sequence[FoundTicket]:
        """As if each page had a next one."""
        try:
            while True:
                self._calls.call(Page, "GET", "/issues", page=1)
        finally:
            del sent


class Endless(Hanging):
    """A tracker with that gateway."""

    def gateway(self, url: str) -> TicketGateway:
        """Return it."""
        return NeverLastPage(url, TOKEN)


def test_a_call_that_asks_without_an_end_is_a_finding() -> None:
    """Each of its requests is answered, so no deadline ends it."""
    (reason,) = check_gateway(Endless, only=[FILES]).broken.values()
    assert reason.startswith("find_by_key had not ended after ")
    assert reason.endswith(" requests: each call must end by itself")


class Slow(Hanging):
    """A tracker whose gateway sends many requests in one call, for longer than the patience."""

    def gateway(self, url: str) -> TicketGateway:
        """Return it."""
        return OneByOne(url, TOKEN)


class OneByOne(TrackerGateway):
    """Reads an issue again and again before it answers."""

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Read it ten times."""
        for _ in range(10):
            super().read(ticket, decision_field=decision_field)
        return super().read(ticket, decision_field=decision_field)


def test_a_call_of_many_requests_is_none() -> None:
    """The bound is on the time without a request, since a batch takes as long as its tickets."""
    assert not check_gateway(Slow, only=[DECIDED]).broken


class KeepsItsThreads(TrackerGateway):
    """Notes the threads that call it."""

    threads: set[int]

    def preview(self, request: CreateRequest) -> Mapping[str, object]:
        """Note the thread."""
        self.threads.add(threading.get_ident())
        return super().preview(request)


def test_the_calls_of_one_thread_are_made_in_one_thread() -> None:
    """A gateway may keep a connection for each thread, which a later call has to find broken."""
    KeepsItsThreads.threads = set()
    system = type("System", (Hanging,), {"gateway": lambda _system, url: KeepsItsThreads(url, TOKEN)})
    assert not check_gateway(system, only=[FILES, DECIDED]).broken
    assert len(KeepsItsThreads.threads) == 1
    assert threading.get_ident() not in KeepsItsThreads.threads


# ---------------------------------------------------------------- the author's ticket system


class Fails(Tracker):
    """A tracker of which one method raises."""

    method = ""

    def _raise(self, *_arguments: object, **_options: object) -> Any:  # noqa: ANN401 - of any method
        raise KeyError("the people of the test installation")


@pytest.mark.parametrize(
    ("method", "promise"),
    [
        ("tickets", FILES),
        ("gateway", FILES),
        ("form", FILES),
        ("approve", DECIDED),
        ("reject", DECIDED),
        ("approve_by_other", "another person's approval"),
        ("refused_form", "a create that the server refuses is refused"),
        ("refused_form", "no secret is shown"),
        ("refusals", "a refused look-up is not answered as none"),
        ("refusals", "a withdrawal says done only if it is"),
    ],
)
def test_a_method_of_the_system_that_raises_is_named(method: str, promise: str) -> None:
    """It is not the gateway's defect, and the place is that of the author's code."""
    system = type("System", (Fails,), {method: Fails._raise})
    (reason,) = check_gateway(system, only=[promise]).broken.values()
    assert reason.startswith(f"System.{method} raised KeyError: 'the people of the test installation' (")
    assert f"{__name__.rpartition('.')[2]}.py, line " in reason
    assert reason.endswith("it is a method of the ticket system, not of the gateway")


class FailsToClose(Tracker):
    """A tracker that cannot be stopped, as it says."""

    def close(self) -> None:
        """Stop it, and raise."""
        super().close()
        raise RuntimeError("the server is gone")


def test_a_close_that_raises_is_named() -> None:
    """After a promise that was kept; the reason of a broken one is not replaced."""
    (reason,) = check_gateway(FailsToClose, only=["shown without a request"]).broken.values()
    assert reason.startswith("FailsToClose.close raised RuntimeError: the server is gone (")
    hanging = type("System", (FailsToClose,), {"tickets": Fails._raise})
    (reason,) = check_gateway(hanging, only=[FILES]).broken.values()
    assert reason.startswith("System.tickets raised ")


class OneSecret(Tracker):
    """A tracker whose author wrote the password itself."""

    secrets = TOKEN  # type: ignore[assignment]  # the mistake


def test_secrets_that_are_one_text_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Each of its letters would be looked for. The message does not show it."""
    message = r"^OneSecret\.secrets: must be a list or tuple of texts, such as \(TOKEN,\), not a str$"
    with pytest.raises(TypeError, match=message):
        check_gateway(OneSecret, only=[FILES])
    with OneSecret() as system, pytest.raises(TypeError, match=message):
        GatewayConformance().test_promise(FILES, system)
    assert main(["gateway", "check", f"{__name__}:OneSecret"]) == Exit.USAGE
    shown = capsys.readouterr()
    assert "must be a list or tuple of texts" in " ".join(shown.err.replace("│", " ").split())
    assert TOKEN not in shown.out + shown.err


@pytest.mark.parametrize(
    ("secrets", "message"),
    [
        (None, "not a NoneType"),
        (b"abc", "not a bytes"),
        (("abc", None), "not a tuple with another value"),
        ([""], "one of them is empty"),
    ],
)
def test_other_secrets_are_refused(secrets: object, message: str) -> None:
    """An empty text is in every answer."""
    system = type("System", (Tracker,), {"secrets": secrets})
    with pytest.raises((TypeError, ValueError), match=message):
        check_gateway(system, only=[FILES])

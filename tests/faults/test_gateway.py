"""A gateway that aborts, hangs, floods, redirects or cannot prove its identity, and a misleading environment."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import State, Workflow
from itsm_workflow.bkapi.retry import RetryPolicy
from itsm_workflow.change import AttentionReason, Phase
from itsm_workflow.clock import to_micros
from itsm_workflow.errors import ItsmWorkflowError, SettingsError
from itsm_workflow.settings import Settings
from itsm_workflow.storage.protocol import Query
from itsm_workflow.testing.ledger_gateway import LedgerGateway
from itsm_workflow.testing.manual_clock import ManualClock
from tests.faults.cases import row
from tests.faults.host import resident
from tests.faults.lies import ODD_ENDS, Flapping, Liar, OddGateway, meaning, patient_gateway
from tests.faults.tls import Authority
from tests.faults.wire import Wire, at_create, forget_peak, peak, spread
from tests.integration.gateway.test_lies import listed, page, reading, scripted
from tests.support.attention import reason_of
from tests.support.fault_server import CREATED, Connection, FaultServer, answering, response
from tests.support.gateways import settings
from tests.support.places import Witness
from tests.support.scripted import scripted_gateway
from tests.support.server_faults import AFTER_SENDING, OK, ask
from tests.support.world import World
from tests.unit.gateway.bk_itsm.test_fuzz import Fuzzer
from tests.unit.gateway.bk_itsm.test_recordings import EXCHANGES, answer_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow import ChangeRequest
    from tests.faults.cases import Faults
    from tests.faults.wire import Serve

BROKEN_OFF = (
    "reset before the request is read",
    "reset after the request is read",
    "closed without an answer",
    "its half of the connection closed, without an answer",
)
WAITING = tuple(name for name in AFTER_SENDING if name.startswith(("silence", "dripping")))
ENDLESS = tuple(
    name for name in AFTER_SENDING if "endless" in name or name in {"a bomb", "a body that is said to be huge"}
)
CAP = 8 * 2**20  # the most bytes by which a process may grow for a body of any size


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Disable the log, since a line for each of thousands of calls costs time and memory."""
    caplog.set_level("CRITICAL", logger="itsm_workflow")


def _is_unknown(wire: Wire, change: ChangeRequest) -> None:
    """Check that the outcome of the create is unknown, and that no look-up allows a resend."""
    assert (change.state, change.expect_attempt().phase, wire.creates) == (State.APPLYING, Phase.UNKNOWN, 1)
    wire.use_up_lookups()
    after = wire.workflow.get(change.id)
    assert (after.state, reason_of(after), wire.creates) == (State.APPLYING, AttentionReason.NOT_FOUND, 1)


# ---------------------------------------------------------------- connections


@row("G1")
def test_g1_connection_broken_after_the_first_byte_is_unknown(faults: Faults) -> None:
    """There may be a ticket, so the create is not sent again."""
    for name in BROKEN_OFF:
        keys = faults.cases(f"{name} {number}" for number in range(faults.pick(quick=4, full=1000)))
        with FaultServer(at_create(AFTER_SENDING[name][0])) as server, Wire(server.url) as wire:
            for key, change in spread(wire.apply, keys, 16):
                with faults.case(key):
                    assert (change.state, change.expect_attempt().phase) == (State.APPLYING, Phase.UNKNOWN)
                    assert change.expect_attempt().looks == 1
            changes = list(wire.workflow.find())
            wire.use_up_lookups()
            assert wire.creates == len(changes)
            assert all(one.attention for one in wire.workflow.find())


@row("G1")
def test_g1_connection_that_was_never_made_is_queued(faults: Faults) -> None:
    """Nothing was sent, so it is sent later with the same key."""
    with deaf_port() as url, Wire(url) as wire:
        for number in faults.cases(range(faults.pick(quick=20, full=1000))):
            change = wire.apply(number)
            with faults.case(number):
                attempt = change.expect_attempt()
                assert (attempt.phase, attempt.unsent, attempt.unknown_since) == (Phase.QUEUED, 1, None)


@row("G1")
def test_g1_create_trusts_no_connection_that_was_kept(faults: Faults) -> None:
    """A stale kept-alive connection makes no create unknown, and no read fail permanently."""
    script = reading(create_ticket=lambda _: CREATED, get_services=lambda _: [], get_ticket_info=lambda _: _running())

    def once(connection: Connection) -> None:
        """Answer one request with keep-alive, and close the connection."""
        request = connection.read_request()
        scripted(script)(_Replayed(connection, request))

    with FaultServer(once) as server, Wire(server.url, deadline=25.0, retry=RetryPolicy(wait=False)) as wire:
        wire.gateway.services()
        change = wire.apply()  # the kept-alive connection is closed by now
        for number in faults.cases(range(faults.pick(quick=10, full=1000))):
            with faults.case(number):
                assert wire.workflow.settle(change.id).state == State.PENDING
        assert wire.creates == 1


class _Replayed(Connection):
    """A connection from which one request was already read."""

    def __init__(self, connection: Connection, request: bytes) -> None:
        super().__init__(connection.sock, connection.closing)
        self._requests = [request]

    def read_request(self) -> bytes:
        return self._requests.pop() if self._requests else b""


def _running() -> dict[str, Any]:
    return page(current_status="RUNNING", current_steps=[{"id": 1, "status": "RUNNING"}])


@row("G2")
def test_g2_server_that_takes_its_time_is_left_at_the_deadline(faults: Faults) -> None:
    """The server never ends the call, but the deadline does, for the create and for each read after it."""
    keys = faults.cases(f"{name} {number}" for name in WAITING for number in range(faults.pick(quick=1, full=40)))
    late = [0.0]

    def hang(key: str) -> ChangeRequest:
        with FaultServer(AFTER_SENDING[key.rpartition(" ")[0]][0]) as server, Wire(server.url) as wire:
            change = wire.apply()
            late.extend(record.seconds - wire.gateway.settings.deadline for record in wire.records)
            return change

    for key, change in spread(hang, keys, 16):
        with faults.case(key):
            assert (change.state, change.expect_attempt().phase) == (State.APPLYING, Phase.UNKNOWN)
    faults.note(f"at the latest {max(late) * 1000:.0f} ms after the deadline")


# ---------------------------------------------------------------- answers


@pytest.mark.long
@row("G3")
def test_g3_answer_that_proves_nothing_is_unknown(faults: Faults) -> None:
    """Every fault of the table, as the answer to a create, makes it unknown."""
    names = [name for name in AFTER_SENDING if name not in {*WAITING, *ENDLESS}]
    for name in faults.cases(names):
        with FaultServer(at_create(AFTER_SENDING[name][0])) as server, Wire(server.url) as wire, faults.case(name):
            _is_unknown(wire, wire.apply())


@row("G3")
@pytest.mark.long
def test_g3_recorded_answers_to_a_create_are_classified(faults: Faults) -> None:
    """Every recorded answer of the real server is classified as created, refused or unknown."""
    counted = {"created": 0, "refused": 0, "unknown": 0}
    for name in faults.cases(EXCHANGES):
        answer = answer_of(EXCHANGES[name])
        fault = ask(answer.body, status=f"{answer.status} Recorded")
        wanted = meaning(answer.status, answer.body)
        counted[wanted] += 1
        with FaultServer(at_create(fault)) as server, Wire(server.url, deadline=5.0) as wire, faults.case(name):
            change = wire.apply()
            if wanted == "created":
                assert (change.state, wire.creates) == (State.PENDING, 1)
            elif wanted == "refused":
                assert (change.state, wire.creates) == (State.DRAFT, 1)
                assert change.expect_attempt().problem
            else:
                assert (change.state, change.expect_attempt().phase) == (State.APPLYING, Phase.UNKNOWN)
                assert wire.creates == 1
    faults.note(", ".join(f"{count} {word}" for word, count in counted.items()))


@row("G4")
def test_g4_endless_body_is_cut(faults: Faults) -> None:
    """An endless answer ends at the cap or the deadline, and the memory of the process is bounded."""
    grown = 0
    for key in faults.cases(f"{name} {number}" for number in range(faults.pick(quick=1, full=50)) for name in ENDLESS):
        name = key.rpartition(" ")[0]
        with FaultServer(at_create(AFTER_SENDING[name][0])) as server, Wire(server.url, deadline=2.0) as wire:
            before = resident(os.getpid())
            forget_peak()
            change = wire.apply()
            more = peak() - before
            grown = max(grown, more)
            with faults.case(key):
                assert (change.state, change.expect_attempt().phase) == (State.APPLYING, Phase.UNKNOWN)
                assert more <= CAP
    faults.note(f"{grown / 2**20:.1f} MiB at most, server included")


@row("G5")
@pytest.mark.long
def test_g5_redirects_are_never_followed(faults: Faults) -> None:
    """Neither a create nor a read follows it: no other server gets a connection, and the answer proves nothing."""
    statuses = ("301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent", "300 Choices")
    with FaultServer(ask(OK)) as second:
        targets = (f"{second.url}create_ticket/", "/create_ticket/", "create_ticket/", "file:///etc/passwd", "//", "")
        for status, target in faults.cases((status, target) for status in statuses for target in targets):
            moved = response(b"", status=status, headers=(f"Location: {target}",))
            seen: list[bytes] = []
            first = FaultServer(at_create(answering(moved, seen=seen)))
            with first, Wire(first.url, deadline=25.0) as wire, faults.case((status, target)):
                _is_unknown(wire, wire.apply())
                assert len(seen) == 1
            first = FaultServer(at_create(ask(OK), answering(moved)))
            with first, Wire(first.url, deadline=25.0) as wire, faults.case((status, target)):
                change = wire.apply()
                assert wire.workflow.settle(change.id).state == State.PENDING
        assert second.connections == 0


# ---------------------------------------------------------------- TLS and the environment


@row("G6")
def test_g6_server_that_cannot_prove_itself_gets_nothing(faults: Faults, tmp_path: Path) -> None:
    """The handshake fails, so nothing was sent: the change is queued, and retried with its key."""
    unproven, times = Authority(tmp_path).unproven(), range(faults.pick(quick=1, full=20))
    for name, number in faults.cases((name, number) for name in unproven for number in times):
        context, trusted = unproven[name]
        seen: list[bytes] = []
        with FaultServer(answering(response(OK), seen=seen), tls=context) as server:
            url = server.url.replace("http:", "https:")
            with Wire(url, ca_bundle=trusted, timeout=(1.0, 1.0), deadline=25.0) as wire, faults.case((name, number)):
                change = wire.apply()
                assert (change.state, change.expect_attempt().phase) == (State.APPLYING, Phase.QUEUED)
                assert seen == []


@row("G6")
def test_g6_handshake_that_breaks_sends_nothing(faults: Faults) -> None:
    """The handshake is closed, reset or never ended in the middle."""
    breaks = {
        "closed": lambda connection: connection.sock.recv(1),
        "reset": lambda connection: (connection.sock.recv(1), connection.reset()),
        "held": Connection.hold,
        "garbage": lambda connection: (connection.sock.recv(1), connection.send(b"\x15\x03\x01\x00\x02\x02\x28" * 9)),
    }
    for name, number in faults.cases(
        (name, number) for name in breaks for number in range(faults.pick(quick=1, full=20))
    ):
        with FaultServer(breaks[name]) as server:
            url = server.url.replace("http:", "https:")
            with Wire(url, timeout=(0.3, 0.3)) as wire, faults.case((name, number)):
                assert wire.apply().expect_attempt().phase == Phase.QUEUED


@row("G6")
def test_g6_no_switch_turns_verification_off(faults: Faults) -> None:
    """No setting disables the checks, and plain HTTP to another machine needs an explicit setting."""
    for name in faults.cases(field.name for field in attrs.fields(Settings)):
        with faults.case(name):
            assert not {"verify", "insecure"} & set(name.split("_"))
    with pytest.raises(SettingsError, match="must be https"):
        settings("http://itsm.example.com/")


# ---------------------------------------------------------------- lies and moods


@pytest.mark.long
@row("G3")
def test_g3_fuzzed_answers_end_in_the_classification(faults: Faults) -> None:
    """With random answers there is one create for each change, a whole history, and no error of another library."""
    wanted, answered, seed = faults.pick(quick=2000, full=100_000), 0, 0
    while answered < wanted and faults.only in {None, str(seed)}:
        fuzzer, witness = Fuzzer(seed), Witness()
        gateway, transport = scripted_gateway(fuzzer)
        with Wire(gateway=gateway, observers=(witness,)) as wire, faults.case(seed):
            for number in range(20):
                wire.apply(number)
                wire.clock.advance(1.0)
                wire.workflow.reconcile()
            assert sum(request.endpoint == "create_ticket" for request in transport.requests) == 20
            assert len([wire.workflow.history(change.id) for change in wire.workflow.find()]) == 20
            # The reconciler reports an unforeseen error as the root class of the errors.
            assert [error for _, error in witness.troubles if type(error) is ItsmWorkflowError] == []
        answered, seed = answered + fuzzer.answers, seed + 1
    faults.note(f"{answered} fuzzed answers")


@row("G7")
@pytest.mark.long
def test_g7_lies_approve_nothing_and_bind_nothing(faults: Faults) -> None:
    """No wrong answer ends the running ticket or binds another one, and only its own number is read destructively."""
    told: Counter[str] = Counter()
    for seed in faults.cases(range(faults.pick(quick=150, full=10_000))):
        liar = Liar(Random(seed))
        with Wire(gateway=scripted_gateway(liar)[0]) as wire, faults.case(seed):

            def claimed(wire: Wire = wire) -> None:
                """Check that the intent to read was stored before the destructive read."""
                [found] = wire.storage.find(Query(limit=2)).rows
                assert found.due_at is not None
                assert found.due_at > to_micros(wire.clock.peek())

            liar.before_destroying = claimed
            change = wire.apply()
            for wait in (0.1, 1.0, 31.0, 301.0, 301.0, 61.0, 700.0):
                wire.clock.advance(wait)
                report = wire.workflow.reconcile()
                assert report.due == report.moved + report.unchanged + report.busy + report.failed
            after = wire.workflow.settle(change.id)
            assert after.state in {State.APPLYING, State.PENDING, State.FAILED_CALLBACK}
            assert (after.outcome, after.effects) == (None, ())
            assert after.ticket is None or (liar.shows_ours and after.ticket.id == "7")
            assert set(liar.destroyed) <= {CREATED["sn"]}
            told[after.attention.reason if after.attention else "no attention"] += 1
    faults.note(", ".join(f"{count} {reason}" for reason, count in told.most_common()))


@row("G7")
def test_g7_ticket_that_does_not_end_as_it_should_calls_a_person(faults: Faults) -> None:
    """Without approval step, log, result or end, or with an unknown status, the change waits with attention."""
    for kind in faults.cases(ODD_ENDS):
        world, witness = World(gateway=OddGateway), Witness()
        assert isinstance(world.gateway, OddGateway)
        workflow = world.workflow(observers=(witness,))
        with faults.case(kind):
            change = world.apply(workflow)
            world.gateway.kind = kind
            for _ in range(15 * 4):
                world.clock.advance(6 * 3600)
                assert workflow.reconcile().due == 1
            after = workflow.get(change.id)
            assert (after.state, reason_of(after)) == (State.PENDING, ODD_ENDS[kind])
            unknown = sum("not known" in str(error) for _, error in witness.troubles)
            assert unknown == (15 * 4 if kind == "an unknown status" else 0)


@pytest.mark.long
@row("G8")
def test_g8_flapping_gateway_is_asked_ever_less(faults: Faults) -> None:
    """In a simulated hour a change calls less than once a second, creates once, and ends when the gateway is back."""
    rates = [0.0]
    for seed in faults.cases(range(faults.pick(quick=3, full=60))):
        flapping, random, clock = Flapping(Random(seed)), Random(seed), ManualClock()
        gateway = patient_gateway(flapping, clock, random)
        with Wire(gateway=gateway, clock=clock) as wire, faults.case(seed):
            change = wire.apply()
            while clock.elapsed() < 3600:
                clock.advance(random.uniform(0.5, 10.0))
                wire.workflow.reconcile()
            ours = [name for name in flapping.asked if name != "callback_failed_ticket"]
            rates.append(len(ours) / clock.elapsed())
            assert len(ours) <= clock.elapsed()
            assert flapping.asked.count("create_ticket") == 1
            flapping.mended = True
            if wire.workflow.get(change.id).ticket is not None:
                clock.advance(301.0)
                wire.workflow.reconcile()
                assert wire.workflow.get(change.id).state == State.APPROVED
            else:
                assert wire.workflow.get(change.id).attention is not None
    faults.note(f"{max(rates):.3f} requests a second and change at most")


@row("G9")
def test_g9_environment_is_not_believed(faults: Faults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies, password files, certificates and key logs of the environment are ignored; only settings count."""
    authority = Authority(tmp_path)
    certificate, trusted = authority.certificate(), str(authority.bundle)
    with authority.misleading() as (environment, proxy):
        for name in faults.cases([*environment, "all of them"]):
            with monkeypatch.context() as patch, faults.case(name):
                for variable in ("no_proxy", "NO_PROXY"):
                    patch.delenv(variable, raising=False)
                for variable in environment if name == "all of them" else [name]:
                    patch.setenv(variable, environment[variable])
                seen: list[bytes] = []
                with FaultServer(answering(response(OK), seen=seen)) as server, Wire(server.url, deadline=25.0) as wire:
                    assert wire.apply().state == State.PENDING
                assert b"\r\nauthorization:" not in seen[0].lower()
                with FaultServer(ask(OK), tls=certificate) as server:
                    with Wire(server.url, deadline=25.0) as wire:
                        assert wire.apply().expect_attempt().phase == Phase.QUEUED
                    with Wire(server.url, deadline=25.0, ca_bundle=trusted) as wire:
                        assert wire.apply().state == State.PENDING
                with pytest.raises(BlockingIOError):
                    proxy.accept()
                assert not Path(environment["SSLKEYLOGFILE"]).exists()


# ---------------------------------------------------------------- one that is gone


GONE = ("silence", "reset after the request is read", "closed without an answer", "502 page")
CALLS = 5


@row("G10")
def test_g10_gateway_that_does_not_answer_is_left_alone(faults: Faults) -> None:
    """After five calls nothing is sent and creates stay queued; after a pause one call detects that it is back."""
    for name in faults.cases(GONE):
        back = threading.Event()
        with (
            FaultServer(_gone_until(back, AFTER_SENDING[name][0])) as server,
            Wire(server.url, deadline=0.3, breaker_failures=CALLS) as wire,
            faults.case(name),
        ):
            changes = [wire.apply(number) for number in range(faults.pick(quick=12, full=100))]
            sent = [record.endpoint for record in wire.records if record.attempts]
            phases = Counter(change.expect_attempt().phase for change in changes)
            assert len(sent) == CALLS
            assert phases == {
                Phase.UNKNOWN: sent.count("create_ticket"),
                Phase.QUEUED: len(changes) - sent.count("create_ticket"),
            }
            assert "5 calls of" in wire.gateway.resting()

            back.set()
            wire.clock.advance(29.0)
            assert wire.apply("too early").expect_attempt().phase == Phase.QUEUED
            wire.clock.advance(1.0)
            assert wire.apply("in time").state == State.PENDING
            assert wire.gateway.resting() == ""


def _gone_until(back: threading.Event, fault: Serve) -> Serve:
    there = scripted(reading(create_ticket=lambda _: CREATED, get_tickets=lambda _: listed([])))

    def serve(connection: Connection) -> None:
        (there if back.is_set() else fault)(connection)

    return serve


@row("G10")
def test_g10_port_that_nobody_listens_on_is_left_alone(faults: Faults) -> None:
    """Every create stays queued, most of them without an attempt to connect."""
    with deaf_port() as url, Wire(url, breaker_failures=CALLS) as wire:
        for number in faults.cases(range(faults.pick(quick=12, full=100))):
            with faults.case(number):
                assert wire.apply(number).expect_attempt().phase == Phase.QUEUED
        assert sum(record.attempts for record in wire.records) <= CALLS


@contextlib.contextmanager
def deaf_port() -> Iterator[str]:
    """Yield the address of a port on which no server listens, and which no other process can take."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{deaf.getsockname()[1]}/v2/itsm/"


@row("G11")
def test_g11_tickets_of_the_same_number_in_another_system_decide_nothing(faults: Faults) -> None:
    """After a day of passes with a wrong address, and then the right one, the change's own ticket decides."""
    for number in faults.cases(range(faults.pick(quick=20, full=500))):
        draw = Random(number)
        world, other = World(number), World(number + 1)
        ours, subjects = world.workflow(), [f"collector-{each}" for each in range(draw.randint(1, 4))]
        changes = [world.apply(ours, subject) for subject in subjects]
        for subject in subjects:
            there = other.apply(other.workflow(), draw.choice([subject, f"theirs-{subject}"]))
            other.start_flow()
            other.decide(other.ticket_of(there), approved=draw.random() < 0.7)
        elsewhere = Workflow(storage=world.store, gateway=LedgerGateway(other.ledger, clock=world.clock))
        for _ in range(12):
            world.clock.advance(draw.choice([60, 600, 7200]))
            elsewhere.reconcile()
        seen = [elsewhere.get(change.id) for change in changes]
        wanted = [draw.random() < 0.5 for _ in changes]
        world.start_flow()
        for change, approved in zip(changes, wanted, strict=True):
            world.decide(world.ticket_of(change), approved=approved)
        world.reconcile_for(ours, hours=2)
        with faults.case(number):
            assert {change.state for change in seen} == {State.PENDING}
            assert {change.attention and change.attention.reason for change in seen} == {AttentionReason.NOT_AS_SENT}
            states = [ours.get(change.id).state for change in changes]
            assert states == [State.APPROVED if approved else State.REJECTED for approved in wanted]

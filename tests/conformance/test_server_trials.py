"""The promises about errors for a store on a server: through a proxy, and by a backend that breaks its connection."""

from __future__ import annotations

import pickle
import socket
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.secrets import SecretURL
from itsm_workflow.testing import check_storage
from itsm_workflow.testing.conformance import QUICK, PromiseOutcome
from itsm_workflow.testing.conformance._scratch import _Gate, _ServerOpener
from itsm_workflow.testing.conformance._trials.proxy import Interference, Proxy
from itsm_workflow.testing.conformance._trials.server_stage import ReachesServer, server_of
from tests.conformance.toy_server import (
    ZOO,
    BreaksItAndRepeats,
    BreaksItsConnection,
    Client,
    KeepsItsMutex,
    LostConnectionError,
    Unnamed,
    receive,
    send,
    served,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.storage import StorageBackend

    NewStore = Callable[[Callable[[str], StorageBackend]], Callable[[], Callable[[], StorageBackend]]]

PATIENT = attrs.evolve(QUICK, patience=8.0)
PROMISES = sorted({caught.promise for caught in ZOO.values()})


@pytest.fixture
def new_store() -> Iterator[NewStore]:
    """Return what makes, for a client, what makes empty stores, each on a server of its own."""
    with ExitStack() as servers:
        yield lambda client: lambda: partial(client, servers.enter_context(served()))


@pytest.mark.parametrize(
    "client",
    [pytest.param(client, marks=pytest.mark.long) if client is KeepsItsMutex else client for client in ZOO],
    ids=lambda client: client.__name__,
)
def test_each_broken_client_is_caught(client: type[Client], new_store: NewStore) -> None:
    """By its promise, with its sentence and the calls."""
    name = ZOO[client].promise
    report = check_storage(new_store(client), abilities=Client.abilities, only=name, profile=PATIENT)
    assert list(report.broken) == [name]
    assert ZOO[client].words in report.broken[name].sentence
    assert report.broken[name].calls[0].startswith(("where message ", "where process 1 stops"))


@pytest.mark.long
@pytest.mark.parametrize("name", PROMISES)
def test_a_good_client_raises_no_alarm(name: str, new_store: NewStore) -> None:
    """With every interference at every message."""
    profile = attrs.evolve(QUICK, points=1000, every_fault=True)
    report = check_storage(new_store(Client), abilities=Client.abilities, only=name, profile=profile)
    assert [result.outcome for result in report.results] == [PromiseOutcome.KEPT]


def test_the_promises_about_files_are_left_out(new_store: NewStore) -> None:
    """The data of a server is in files of the server."""
    (result,) = check_storage(new_store(Client), abilities=Client.abilities, only="failed sync is").results
    assert (result.outcome, result.reason) == (
        PromiseOutcome.NOT_RUN,
        "this is about files, but the store is on a server",
    )


@pytest.fixture
def new_unnamed() -> Iterator[NewStore]:
    """Return the same, with openers that name no server."""
    with ExitStack() as servers:
        yield lambda client: lambda: Unnamed(client, servers.enter_context(served()))


def test_a_connection_can_be_broken_by_the_backend(new_unnamed: NewStore) -> None:
    """At each line of its own code."""
    name = "an error is not answered as a conflict"
    report = check_storage(new_unnamed(BreaksItAndRepeats), abilities=Client.abilities, only=name)
    assert list(report.broken) == [name]
    assert report.broken[name].calls[0].startswith("where line ")
    assert report.broken[name].calls[0].endswith("of toy_server.py is reached when the connection breaks")


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(name for name in PROMISES if "not given" not in name))
def test_a_good_client_that_breaks_its_connection_raises_no_alarm(name: str, new_unnamed: NewStore) -> None:
    """At each line of its own code."""
    report = check_storage(new_unnamed(BreaksItsConnection), abilities=Client.abilities, only=name)
    assert [result.outcome for result in report.results] == [PromiseOutcome.KEPT]


def test_without_any_way_the_reason_says_what_is_missing(new_unnamed: NewStore) -> None:
    """For the author of a backend."""
    (result,) = check_storage(new_unnamed(Client), abilities=Client.abilities, only="each error").results
    assert result.outcome is PromiseOutcome.NOT_RUN
    assert result.reason.endswith(
        "for a store on a server, its opener must name the host and the port, or it needs break_connection()"
    )


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("postgresql://me:secret@db.example:5433/changes?prefix=a_", ("db.example", 5433)),
        ("redis://[::1]:6379/0", ("::1", 6379)),
        ("postgresql://db.example/changes", None),
        ("postgresql:///changes?host=/run/postgresql", None),
        ("sqlite:///changes.db", None),
        ("toy://host:port/", None),
        ("changes.db", None),
    ],
)
def test_a_url_names_its_server(url: str, address: tuple[str, int] | None) -> None:
    """With host and port, for a proxy; all else in the URL stays."""
    server = server_of(partial(Client, url))
    assert (server and server.address) == address
    assert _ServerOpener(SecretURL(url), _Gate()).address == address


def test_an_opener_is_led_to_another_address() -> None:
    """A partial of a function of a URL, and the opener of the command line."""
    url = "postgresql://me:secret@db.example:5433/changes?prefix=a_"
    moved = "postgresql://me:secret@127.0.0.1:1/changes?prefix=a_"
    server = server_of(partial(dict, url, extra=1))  # type: ignore[arg-type]  # any function of a URL
    assert server is not None
    through = server.through("127.0.0.1", 1)
    assert isinstance(through, partial)
    assert (through.args, through.keywords) == ((moved,), {"extra": 1})
    opener = _ServerOpener(SecretURL(url), _Gate())
    assert isinstance(opener, ReachesServer)
    assert pickle.dumps(opener.through("127.0.0.1", 1)) == pickle.dumps(_ServerOpener(SecretURL(moved), _Gate()))


def test_an_opener_of_another_kind_is_no_server() -> None:
    """Of a file, of no argument, or of one that is not a URL."""
    assert server_of(partial(Client, url="toy://127.0.0.1:1/")) is None
    assert server_of(Client) is None  # type: ignore[arg-type]  # not an opener
    assert server_of(partial(Client, 5)) is None  # type: ignore[arg-type]  # the same


@pytest.fixture
def asked() -> Iterator[Callable[[Interference], object]]:
    """Return what asks the server twice by one connection, the second time with an interference."""
    with ExitStack() as stack:
        url = stack.enter_context(served())
        server = server_of(partial(Client, url))
        assert server is not None
        assert server.address is not None
        proxy = stack.enter_context(Proxy(*server.address))

        def ask(interference: Interference) -> object:
            connection = stack.enter_context(socket.create_connection(proxy.address))
            proxy.arm(interference, 2)
            send(connection, ("get", "c1"))
            assert receive(connection) is None
            try:
                send(connection, ("get", "c1"))
                return receive(connection)
            except OSError as error:
                return type(error)
            finally:
                assert proxy.struck == "message 2 to the server"

        yield ask


def test_a_proxy_loses_and_delays(asked: Callable[[Interference], object]) -> None:
    """What is lost ends the connection; what arrives in pieces is whole in the end."""
    assert asked(Interference.TRICKLED) is None
    for lost in (Interference.SWALLOWED, Interference.CUT, Interference.HALVED, Interference.REFUSED):
        assert asked(lost) in {ConnectionResetError, LostConnectionError}, lost


def test_a_proxy_that_refuses_accepts_no_new_connection() -> None:
    """Until it is disarmed."""
    with served() as url, Proxy("127.0.0.1", int(url.rstrip("/").rpartition(":")[2])) as proxy:
        proxy.arm(Interference.REFUSED, 1)
        for _ in range(2):
            with (
                socket.create_connection(proxy.address) as connection,
                pytest.raises(OSError, match=r"reset|has ended"),
            ):
                _ask(connection)
        proxy.disarm()
        with socket.create_connection(proxy.address) as connection:
            assert _ask(connection) is None
            proxy.cut()
            with pytest.raises(OSError, match=r"reset|has ended|Broken pipe"):
                _ask(connection)


def _ask(connection: socket.socket) -> object:
    send(connection, ("get", "c1"))
    return receive(connection)

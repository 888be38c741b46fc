"""A small server of a store, its client, and clients that do the wrong thing when the connection fails.

The server holds one lock while a session commits, and refuses another session that waits for it too long. A message is
a pickle with its length before it.
"""

# ruff: noqa: D102  # the port says what each method is for

from __future__ import annotations

import pickle
import socket
import socketserver
import threading
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import urlsplit

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage import checks
from itsm_workflow.storage.protocol import Conflict, ConflictKind, EntryRows
from itsm_workflow_backends.memory import MemoryBackend
from tests.conformance.caught import Caught

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from itsm_workflow.storage import StorageBackend
    from itsm_workflow.storage.protocol import Query, Row, Rows, Write

_LENGTH = 4
_LOCK_TIMEOUT = 0.3


class LostConnectionError(OSError):
    """The connection ended, or could not be made."""


def send(one: socket.socket, message: object) -> None:
    """Send a message."""
    data = pickle.dumps(message)
    one.sendall(len(data).to_bytes(_LENGTH, "big") + data)


def receive(one: socket.socket) -> Any:  # noqa: ANN401  # whatever was sent
    """Receive a message.

    Raises:
        LostConnectionError: The connection has ended.
    """
    size = int.from_bytes(_exactly(one, _LENGTH), "big")
    return pickle.loads(_exactly(one, size))  # noqa: S301  # of this test


def _exactly(one: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = one.recv(size - len(data))
        if not piece:
            raise LostConnectionError("the connection has ended")
        data += piece
    return data


class _Session(socketserver.BaseRequestHandler):
    """One connection: ``begin`` takes the lock, ``commit`` stores and releases it, and the end releases it too."""

    def handle(self) -> None:
        server, holds = cast("_Server", self.server), False
        try:
            with suppress(OSError, ValueError):
                while True:
                    call, *arguments = receive(self.request)
                    if call == "begin":
                        holds = server.writing.acquire(timeout=_LOCK_TIMEOUT)
                        send(self.request, "begun" if holds else "busy")
                        continue
                    try:
                        answer: object = getattr(server.store, call)(*arguments)
                    except ValueError as error:
                        answer = error
                    if holds:
                        server.writing.release()
                        holds = False
                    send(self.request, answer)
        finally:
            if holds:
                server.writing.release()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads, allow_reuse_address = True, True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.store, self.writing = MemoryBackend(), threading.Lock()


@contextmanager
def served() -> Iterator[str]:
    """Yield the URL of a new, empty store on a server."""
    with _Server() as server:
        thread = threading.Thread(target=partial(server.serve_forever, 0.01), daemon=True)
        thread.start()
        yield f"toy://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


class Client:
    """A good client: it gives a connection up on any error, and repeats nothing."""

    abilities: ClassVar[frozenset[str]] = frozenset({"durable", "multi_process"})

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = str(parts.hostname), int(parts.port or 0)
        self._mutex, self._closed = threading.Lock(), False
        self._connection: socket.socket | None = None

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        checks.check_writes(writes)
        return cast("list[Conflict | None]", self._asked(("begin",), ("commit", writes)))

    def get(self, change_id: str, /) -> Row | None:
        checks.check_id(change_id)
        return cast("Row | None", self._asked(("get", change_id)))

    def find(self, query: Query, /) -> Rows:
        checks.check_query(query)
        return cast("Rows", self._asked(("find", query)))

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        checks.check_history(change_id, after_seq, limit)
        return cast("EntryRows", self._asked(("history", change_id, after_seq, limit)))

    def close(self) -> None:
        self._closed = True
        self._give_up()

    def _asked(self, *messages: tuple[object, ...]) -> Any:  # noqa: ANN401  # of each of the calls
        """Return the answer to the last message.

        Raises:
            StorageUnavailable: The connection or the lock was lost.
        """
        with self._mutex:
            if self._closed:
                raise StorageUnavailable("the store was closed")
            try:
                answers = [self._answer(message) for message in messages]
            except OSError as error:
                self._give_up()
                raise StorageUnavailable(f"the server did not answer: {error}") from error
        if isinstance(answers[-1], ValueError):
            raise answers[-1]
        return answers[-1]

    def _answer(self, message: tuple[object, ...]) -> object:
        if self._connection is None:
            self._connection = socket.create_connection(self._address)
        send(self._connection, message)
        answer = receive(self._connection)
        if answer == "busy":
            raise TimeoutError("the lock was not given in time")
        return answer

    def _give_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class LetsErrorsOfTheConnectionThrough(Client):
    """Raises the error of the connection as it is."""

    def get(self, change_id: str, /) -> Row | None:
        try:
            return super().get(change_id)
        except StorageUnavailable as error:
            raise error.__cause__ or error from None


class TakesALostAnswerForSuccess(Client):
    """Answers that a commit was stored if its answer does not come."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        try:
            return super().commit(writes)
        except StorageUnavailable:
            return [None for _ in writes]


class RepeatsALostCommit(Client):
    """Sends a commit again if its answer does not come."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        try:
            return super().commit(writes)
        except StorageUnavailable:
            return super().commit(writes)


class RemembersALostCommit(Client):
    """Serves rows from memory while they are sent, and does not drop them if the answer does not come."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        sent: dict[str, Row] = vars(self).setdefault("sent", {})
        sent |= {write.row.id: write.row for write in writes}
        answer = super().commit(writes)
        sent.clear()
        return answer

    def get(self, change_id: str, /) -> Row | None:
        return vars(self).get("sent", {}).get(change_id) or super().get(change_id)


class KeepsItsMutex(Client):
    """Does not release the lock of its threads if the answer does not come."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        try:
            return super().commit(writes)
        except StorageUnavailable:
            self._mutex.acquire()
            raise


class TakesABusyServerForAConflict(Client):
    """Answers with a conflict if the server does not give the lock in time."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        try:
            return super().commit(writes)
        except StorageUnavailable as error:
            if "in time" not in str(error):
                raise
            return [Conflict(kind=ConflictKind.VERSION, change_id=write.row.id) for write in writes]


class FindsNothingOnABusyServer(Client):
    """Reads under the server's lock, and answers that there is no such change if it is not given in time."""

    def get(self, change_id: str, /) -> Row | None:
        try:
            return cast("Row | None", self._asked(("begin",), ("get", change_id)))
        except StorageUnavailable as error:
            if "in time" not in str(error):
                raise
            return None


class FindsNothingWithoutAServer(Client):
    """Answers that a change has no history if the server does not answer."""

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        try:
            return super().history(change_id, after_seq, limit)
        except StorageUnavailable:
            return EntryRows(entries=())


class GoesOffline(Client):
    """Keeps commits for later once the server has not answered, and answers that they were stored."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        if vars(self).get("offline"):
            return [None for _ in writes]
        try:
            return super().commit(writes)
        except StorageUnavailable:
            vars(self)["offline"] = True
            raise


ZOO: dict[type[Client], Caught] = {
    LetsErrorsOfTheConnectionThrough: Caught(
        "each error is one of the port",
        "of a connection is raised as one of the two",
        "A worker ends with a ConnectionResetError when the database is restarted.",
    ),
    TakesALostAnswerForSuccess: Caught(
        "a failed write is not answered as stored",
        "answered as stored only if it is stored",
        "A ticket is filed for a change that the database never got.",
    ),
    GoesOffline: Caught(
        "a failed write does not spoil the next",
        "does not affect the following ones",
        "Every change after a lost connection is gone when the process ends.",
    ),
    RemembersALostCommit: Caught(
        "a failed write is not read",
        "reads what a newly opened store would read",
        "The process goes on with a change that no other process can see.",
    ),
    KeepsItsMutex: Caught(
        "an error leaves no lock",
        "it holds no lock",
        "After one lost connection the process stands still.",
    ),
    RepeatsALostCommit: Caught(
        "an error is not answered as a conflict",
        "nothing of it was stored",
        "The caller believes that another worker was faster, and no one sends the ticket.",
    ),
    TakesABusyServerForAConflict: Caught(
        "a lock that is not given is not a conflict",
        "none of them is answered as a conflict",
        "A click on a busy system is refused as a duplicate of a change that does not exist.",
    ),
    FindsNothingOnABusyServer: Caught(
        "a lock that is not given is not an empty answer",
        "A read that fails raises",
        "A change is reported as unknown on a busy system, and is applied for once more.",
    ),
    FindsNothingWithoutAServer: Caught(
        "a failed read does not find nothing",
        "A read that fails raises",
        "The page of a change shows no history while the database is restarted.",
    ),
}
"""By broken client: the promise that catches it."""


class Unnamed:
    """An opener that names no server, as of a client by a local socket."""

    def __init__(self, client: Callable[[str], StorageBackend], url: str) -> None:
        self._client, self._url = client, url

    def __call__(self) -> StorageBackend:
        return self._client(self._url)


class BreaksItsConnection(Client):
    """A good client that can break its connection for the check."""

    def break_connection(self) -> None:
        """End the connection, as a server does that is killed: an answer that is on its way is lost."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()


class BreaksItAndRepeats(RepeatsALostCommit, BreaksItsConnection):
    """Sends a commit again if its answer does not come."""

"""The environment of a workflow in tests: a ticket system, a port for callbacks, a store with hooks, an observer."""

from __future__ import annotations

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import attrs

from itsm_workflow.sandbox import Sandbox
from itsm_workflow.sandbox.endpoints import endpoint_of
from itsm_workflow.sandbox.ticket import Flow
from itsm_workflow.storage.protocol import Cursor, Order, Rows
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow import ChangeRequest, Entry, ItsmWorkflowError
    from itsm_workflow.callbacks.parse import CallbackResponse
    from itsm_workflow.sandbox.envelope import SandboxResponse
    from itsm_workflow.sandbox.request import Request
    from itsm_workflow.storage.protocol import Conflict, EntryRows, Query, Row, StorageBackend, Write


@attrs.frozen
class Call:
    """A request that the ticket system served."""

    endpoint: str
    body: Any


class WatchedSandbox(Sandbox):
    """A sandbox that is driven by the test, records its requests, and has hooks around them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(drive=False, callback_timeout=PATIENCE, **options)
        self.calls: list[Call] = []
        self.before: dict[str, Callable[[], object]] = {}
        self.twist: dict[str, Callable[[SandboxResponse], SandboxResponse]] = {}

    def serve(self, request: Request, *, flow: Flow = Flow.SOON) -> SandboxResponse:
        """Serve one request, with the hooks of the test before it and on its answer."""
        name = endpoint_of(request.path) or request.path
        self.calls.append(Call(name, json.loads(request.body) if request.body else request.parameters))
        self.before.get(name, _nothing)()
        answer = super().serve(request, flow=flow)
        return self.twist.get(name, _unchanged)(answer)

    def bodies(self, endpoint: str) -> list[Any]:
        """Return the bodies that were sent to an endpoint."""
        return [call.body for call in self.calls if call.endpoint == endpoint]


@attrs.frozen(kw_only=True)
class Knock:
    """A request at the door."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    def saying(self, **facts: object) -> Knock:
        """Return the same request with other facts in its body."""
        return attrs.evolve(self, body=json.dumps({**json.loads(self.body), **facts}).encode())


@attrs.frozen
class Reply:
    """An answer of the door."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> object:
        """The envelope's code."""
        return json.loads(self.body)["code"]


class _Listener(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = False


class Door:
    """A listening port that passes each request to a workflow, as a host's route does."""

    def __init__(self) -> None:
        self.receive: Callable[..., CallbackResponse] | None = None
        self.knocks: list[Knock] = []
        door = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                door.serve(self, Knock(path=self.path, headers=dict(self.headers.items()), body=body))

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
                pass

        self._server = _Listener(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """The address without a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def serve(self, handler: BaseHTTPRequestHandler, knock: Knock) -> None:
        """Record a request, and answer it with the workflow's response."""
        self.knocks.append(knock)
        if self.receive is None:
            handler.send_error(502)
            return
        answer = self.receive(method="POST", path=knock.path, headers=knock.headers, body=knock.body)
        handler.send_response_only(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body)

    def knock(self, knock: Knock) -> Reply:
        """Send a request to the door."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=PATIENCE)
        try:
            headers = {name: value for name, value in knock.headers.items() if name.lower() != "content-length"}
            connection.request("POST", knock.path, body=knock.body, headers=headers)
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()


class WatchedStore:
    """A store that counts its commits and has hooks before and after each."""

    def __init__(self, inner: StorageBackend) -> None:
        self.inner = inner
        self.commits = 0
        self.before: Callable[[Sequence[Write]], object] = _nothing
        self.after: Callable[[Sequence[Write]], object] = _nothing

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Commit, with the hooks of the test before and after."""
        self.before(writes)
        answer = self.inner.commit(writes)
        self.commits += 1
        self.after(writes)
        return answer

    def get(self, change_id: str, /) -> Row | None:
        """Return a row."""
        return self.inner.get(change_id)

    def find(self, query: Query, /) -> Rows:
        """Return one page of rows."""
        return self.inner.find(query)

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Return one page of history."""
        return self.inner.history(change_id, after_seq, limit)

    def close(self) -> None:
        """Close the store."""
        self.inner.close()


_BEFORE_ALL = {Order.ID: None, Order.SUBMISSION: 2**63 - 1}


class SparseStore(WatchedStore):
    """A store that filters after it has read a page: the first page is empty, and only ``next`` reports the end."""

    def find(self, query: Query, /) -> Rows:
        """Return one page of rows; the first one has no rows and says where to continue."""
        if query.after is None and query.open_subject is None and query.order in _BEFORE_ALL:
            return Rows(rows=(), next=Cursor(value=_BEFORE_ALL[query.order], id=""))
        return super().find(query)


class Witness:
    """An observer that records its notifications, and lets a test wait for one."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.troubles: list[tuple[str, ItsmWorkflowError]] = []
        self._told = threading.Condition()

    def on_entry(self, change: ChangeRequest, entry: Entry) -> None:
        """Record an entry."""
        with self._told:
            self.entries.append(entry)
            self._told.notify_all()

    def on_trouble(self, change_id: str, error: ItsmWorkflowError) -> None:
        """Record an error."""
        with self._told:
            self.troubles.append((change_id, error))
            self._told.notify_all()

    def wait_for(self, trigger: str) -> None:
        """Wait until the observer was notified of an entry with this trigger."""
        with self._told:
            assert self._told.wait_for(lambda: trigger in self.triggers(), PATIENCE)

    def triggers(self) -> list[str]:
        """Return the triggers of the recorded entries."""
        return [entry.trigger for entry in self.entries]


def _nothing(*_: object) -> None:
    pass


def _unchanged(answer: SandboxResponse) -> SandboxResponse:
    return answer

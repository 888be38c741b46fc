"""The trials on a store that is not in files: through a proxy before its server, or by `break_connection`."""

from __future__ import annotations

import functools
import inspect
import itertools
import secrets
import sys
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from urllib.parse import urlsplit, urlunsplit

import attrs

from itsm_workflow.secrets import SecretURL
from itsm_workflow.testing.conformance._threads import DidNotReturn, unless, within
from itsm_workflow.testing.conformance._trials.proxy import Interference
from itsm_workflow.testing.conformance._trials.runner import Silent, Stopped
from itsm_workflow.testing.conformance._trials.script import Script
from itsm_workflow.testing.conformance._trials.session import Session
from itsm_workflow.testing.conformance._trials.stage import Point
from itsm_workflow.testing.conformance._wording import word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import FrameType

    from itsm_workflow.storage.protocol import StorageBackend
    from itsm_workflow.testing.conformance._trials.plans import Plan
    from itsm_workflow.testing.conformance._trials.session import Outcome

    Opener = Callable[[], StorageBackend]

_SECONDS = 10.0
_FEW = 2
"""The interferences of a plan in the quick profile: the answer is lost, or the message."""


@runtime_checkable
class ReachesServer(Protocol):
    """An opener of a store on a server, which can also open it through another address, where a proxy is."""

    @property
    def address(self) -> tuple[str, int] | None:
        """The host and the port of the server, or None if it is not reached by TCP."""
        ...

    def through(self, host: str, port: int, /) -> Opener:
        """Return an opener of the same store at this host and port."""
        ...


@runtime_checkable
class BreaksConnection(Protocol):
    """A backend whose connection to its server can be broken on purpose, for its check."""

    def break_connection(self) -> None:
        """Make the connections of this object unusable, as if the server had closed them."""
        ...


def server_of(opener: Opener) -> ReachesServer | None:
    """Return the opener as one that reaches a server, or None.

    A ``functools.partial`` whose first argument is a URL with a host and a port is one.
    """
    given: object = opener
    found: ReachesServer | None = given if isinstance(given, ReachesServer) else None
    if isinstance(given, functools.partial) and given.args and isinstance(given.args[0], str | SecretURL):
        found = _ByURL(given)
    return found if found is not None and found.address is not None else None


def address_in(url: SecretURL) -> tuple[str, int] | None:
    """Return the host and the port that a URL names, or None."""
    with suppress(ValueError):  # it has another form
        parts = urlsplit(url.reveal())
        if parts.hostname and parts.port:
            return parts.hostname, parts.port
    return None


def readdressed(url: SecretURL, host: str, port: int) -> SecretURL:
    """Return the URL with another host and port."""
    parts = urlsplit(url.reveal())
    account, at, _ = parts.netloc.rpartition("@")
    return SecretURL(urlunsplit(parts._replace(netloc=f"{account}{at}{host}:{port}")))


class _ByURL:
    """An opener that is a function of a URL."""

    def __init__(self, opener: functools.partial[StorageBackend]) -> None:
        self._opener = opener
        self._url = SecretURL.of(opener.args[0])

    @property
    def address(self) -> tuple[str, int] | None:
        return address_in(self._url)

    def through(self, host: str, port: int, /) -> Opener:
        url: str | SecretURL = readdressed(self._url, host, port)
        if isinstance(self._opener.args[0], str):
            url = SecretURL.of(url).reveal()
        return functools.partial(self._opener.func, url, *self._opener.args[1:], **self._opener.keywords)


class Spoiler(Protocol):
    """The means by which the connection of a session is spoiled: a `Proxy`, or a `LineBreaker`.

    Attributes:
        stalled: Set while a message is held back.
    """

    stalled: threading.Event

    @property
    def count(self) -> int:
        """The number of points since `arm`."""
        ...

    @property
    def struck(self) -> str:
        """The point that was reached, in the words of a report; empty if it was not."""
        ...

    def arm(self, interference: Interference, at: int) -> None:
        """Count points from now on, and interfere at one; 0 for none."""
        ...

    def disarm(self) -> None:
        """Interfere no more."""
        ...

    def cut(self) -> None:
        """End all connections that are spoiled."""
        ...

    def watching(self, session: Session) -> AbstractContextManager[None]:
        """Watch the call that the session makes in the block, in the thread of the call."""
        ...


class LineBreaker:
    """Breaks the connection of a backend object at a line of its own code, see `Spoiler`."""

    def __init__(self) -> None:
        self.stalled = threading.Event()  # never set: no message is held back
        self.count, self.struck, self._at = 0, "", 0

    def arm(self, _interference: Interference, at: int) -> None:
        """Count lines from now on, see `Spoiler.arm`."""
        self.count, self.struck, self._at = 0, "", at

    def disarm(self) -> None:
        """Break no connection, see `Spoiler.disarm`."""
        self._at = -1

    def cut(self) -> None:
        """Do nothing: closing the object closes its connections."""

    @contextmanager
    def watching(self, session: Session) -> Iterator[None]:
        """Count the lines of a call, see `Spoiler.watching`; opening has no object yet whose connection can break."""
        backend: object = session.backend
        if self._at < 0 or not isinstance(backend, BreaksConnection):
            yield
            return
        own = str(Path(inspect.getfile(type(backend))).parent)

        def trace(frame: FrameType, event: str, _argument: object) -> Any:  # noqa: ANN401  # itself
            if not frame.f_code.co_filename.startswith(own):
                return None
            if event == "line":
                self.count += 1
                if self.count == self._at:
                    self.struck = f"line {frame.f_lineno} of {Path(frame.f_code.co_filename).name}"
                    backend.break_connection()
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            yield
        finally:
            sys.settrace(before)


class ServerStage:
    """A store on a server, see `Stage`. Each trial has its own changes in the store.

    Args:
        opener: Opens the store.
        spoiled: Opens the store so that its connection can be spoiled.
        spoiler: The means to do so.
        limit: The number of seconds after which a call counts as one that does not return.
    """

    def __init__(self, opener: Opener, spoiled: Opener, spoiler: Spoiler, *, limit: float) -> None:
        self._opener, self._spoiled, self.spoiler, self._limit = opener, spoiled, spoiler, limit
        self._numbers = itertools.count(1)
        self._run = secrets.token_hex(2)
        self._edges: list[int] = []

    def reset(self) -> Script:
        """Make the changes of the next trial, see `Stage.reset`."""
        script = Script(f"{self._run}-{next(self._numbers)}-")
        backend = self._opener()
        try:
            for writes in script.base:
                answer = backend.commit(writes)
                assert answer == [None] * len(writes), f"the changes of a trial were not stored: {word(answer)}"
        finally:
            backend.close()
        return script

    def actor(
        self,
        name: str,
        *,
        spoiled: bool = False,
        hurried: bool = False,  # noqa: ARG002  # the clocks of a server cannot be advanced
        limit: float | None = None,
    ) -> ServerActor:
        """Return a session, see `Stage.actor`."""
        session = Session(self._spoiled if spoiled else self._opener)
        return ServerActor(self, name, session, self._limit if limit is None else limit, spoiled=spoiled)

    def begin(self) -> None:
        """Note that a call of the story begins, or that the last one has ended."""
        self._edges.append(self.spoiler.count)

    def steps(self, plan: Plan, *, every_fault: bool) -> list[list[Point]]:
        """Return the points of each call, see `Stage.steps`."""
        chosen = plan.interferences[: None if every_fault else _FEW]
        steps = [
            [Point(at, each) for at in range(before + 1, after + 1) for each in chosen]
            for before, after in itertools.pairwise(self._edges)
        ]
        return [step for step in steps if step]

    def lasting(self, plan: Plan) -> list[Point]:  # noqa: ARG002  # a server has no files that are seen
        """Return no points, see `Stage.lasting`."""
        return []

    def armed(self) -> None:
        """Begin the points of a trial."""
        self._edges = []


@attrs.define
class ServerActor:
    """A session of this process with the server, see `Actor`."""

    _stage: ServerStage
    name: str
    _session: Session
    _limit: float
    _spoiled: bool = attrs.field(kw_only=True)
    _armed: bool = False

    def perform(self, call: str, *arguments: Any) -> Outcome:  # of each of the calls
        """Make a call, see `Actor.perform`."""
        if self._armed:
            self._stage.begin()
        stalled, until = self._stage.spoiler.stalled, time.monotonic() + self._limit
        try:
            return unless(
                lambda: (self._armed and stalled.is_set()) or time.monotonic() > until,
                lambda: self._watched(call, arguments),
            )
        except DidNotReturn:
            raise (Stopped if self._armed and stalled.is_set() else Silent) from None

    def _watched(self, call: str, arguments: tuple[Any, ...]) -> Outcome:
        with self._stage.spoiler.watching(self._session) if self._armed else nullcontext():
            return self._session.perform(call, *arguments)

    def arm(self, point: Point) -> None:
        """Interfere at a point, see `Actor.arm`."""
        self._armed = True
        self._stage.armed()
        fault = point.fault if isinstance(point.fault, Interference) else Interference.NONE
        self._stage.spoiler.arm(fault, point.at)

    def disarm(self) -> str:
        """Interfere no more, see `Actor.disarm`."""
        self._stage.begin()
        self._armed = False
        self._stage.spoiler.disarm()
        return self._stage.spoiler.struck

    def end(self) -> None:
        """Cut the connections, or close those that are not spoiled, see `Actor.end`."""
        if self._spoiled:
            self._stage.spoiler.disarm()
            self._stage.spoiler.cut()
        backend = self._session.backend
        if backend is not None:
            with suppress(Exception):  # its connection is cut, or a call of it may still wait
                within(_SECONDS, backend.close)

"""The processes of a trial on a store of files, and the files themselves, which are the same before each trial."""

from __future__ import annotations

import glob
import itertools
import os
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import attrs

from itsm_workflow.testing.conformance._base import NotRun
from itsm_workflow.testing.conformance._pipes import receive, send
from itsm_workflow.testing.conformance._reports import Shown, end_of_process
from itsm_workflow.testing.conformance._trials.calls import CHANGES, NAMED, NO_FAULT, WORDS, Fault, Kind
from itsm_workflow.testing.conformance._trials.recorded import (
    MADE,
    made_paths,
    numbered,
    opened_beside,
    recorded,
    telling,
)
from itsm_workflow.testing.conformance._trials.runner import Child, Died
from itsm_workflow.testing.conformance._trials.script import Script
from itsm_workflow.testing.conformance._trials.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

    from itsm_workflow.storage.protocol import StorageBackend
    from itsm_workflow.testing.conformance._trials.calls import Operation, Watch
    from itsm_workflow.testing.conformance._trials.plans import Plan
    from itsm_workflow.testing.conformance._trials.proxy import Interference
    from itsm_workflow.testing.conformance._trials.session import Outcome

_EVERYWHERE = (Path("/"),)
_NOTHING_SEEN = "a commit calls nothing in this process that changes a file"
_NO_LIBRARY_SEEN = f"{_NOTHING_SEEN}; the calls of a library in C are seen only on Linux, with a C compiler (cc)"


@attrs.frozen
class Point:
    """A place at which an error is injected.

    Attributes:
        at: The number of the call, from 1; 0 for no fault.
        fault: The fault.
        call: The call with that number in the trial without a fault, in the words of a report; empty if it is unknown.
        kinds: The kinds of calls that are counted; by default, all those of the plan.
        path: The only file whose calls are counted; by default, all of the store.
    """

    at: int = 0
    fault: Fault | Interference = NO_FAULT
    call: str = ""
    kinds: Kind | None = None
    path: Path | None = None

    @property
    def step(self) -> str:
        """The call in the words of a report, for a trial in which its process could not report it."""
        return f"its step {self.at} ({self.call})" if self.call else f"its step {self.at}"


class Actor(Protocol):
    """A process, or a session, that works on the store.

    Attributes:
        name: Its name in a report.
    """

    name: str

    def perform(self, call: str, *arguments: Any) -> Outcome:  # of each of the calls
        """Make a call of `Session`, and return its outcome.

        Raises:
            Silent: The call did not return within the limit.
            Stopped: The process was stopped in the call.
            Died: The process ended in the call; the message says how.
        """
        ...

    def arm(self, point: Point) -> None:
        """Inject an error at this point from now on."""
        ...

    def disarm(self) -> str:
        """Inject nothing from now on, and return the call that was spoiled as words, or an empty text."""
        ...

    def end(self) -> None:
        """End the process without closing the store."""
        ...


class Stage(Protocol):
    """The place of the trials."""

    def reset(self) -> Script:
        """Bring the store into its first state, and return the writes of the next trial."""
        ...

    def actor(self, name: str, *, spoiled: bool = False, hurried: bool = False, limit: float | None = None) -> Actor:
        """Return a new process.

        Args:
            name: Its name in a report.
            spoiled: Whether errors are injected into it.
            hurried: Whether its clocks advance instead of waiting.
            limit: The number of seconds after which a call of it counts as one that does not return.
        """
        ...

    def steps(self, plan: Plan, *, every_fault: bool) -> list[list[Point]]:
        """Return the points of the last trial, in which nothing was spoiled, by the calls of the story."""
        ...

    def lasting(self, plan: Plan) -> list[Point]:
        """Return the points of the last trial from which on all calls of one kind on one file fail."""
        ...


class FileStage:
    """A store of files, see `Stage`.

    Args:
        watch: The view of the calls of this process and the children that it forks.
        folder: A folder for the record of the calls.
        opener: Opens the store.
        kinds: The kinds of calls that are spoiled.
        limit: The number of seconds after which a call counts as one that does not return.
        names_are_kept: Whether a power cut leaves names whose directory was not synced.

    Raises:
        NotRun: No call was seen that writes to a file.
    """

    def __init__(
        self,
        watch: Watch,
        folder: Path,
        opener: Callable[[], StorageBackend],
        *,
        kinds: Kind,
        limit: float,
        names_are_kept: bool = False,
    ) -> None:
        self._watch, self._opener, self._limit = watch, opener, limit
        self.kinds, self.names_are_kept = kinds, names_are_kept
        self.record, self._names = folder / "record", folder / "names"
        self.script = Script()
        self.folders: tuple[Path, ...] = _EVERYWHERE
        calls = self._make()
        self.making = [call for call in calls if call.kind is not Kind.OPEN]
        self._paths = made_paths(self.making)
        self.folders = tuple(sorted({path.parent for path in self._paths}))
        self._paths |= opened_beside(calls, self._paths)
        self._base = {path: (path.read_bytes(), path.stat().st_mode) for path in self._known()}

    def reset(self) -> Script:
        """Restore the files, and return the writes, see `Stage.reset`."""
        self.put(self.base)
        self.record.unlink(missing_ok=True)
        return self.script

    def put(self, files: dict[Path, bytes]) -> None:
        """Let the store consist of exactly these files; those that any process made since then are removed."""
        self._paths |= made_paths([*self.operations(), *recorded(self._names)])
        self._names.unlink(missing_ok=True)
        for path in self._known():
            path.unlink()
        for path, content in files.items():
            path.write_bytes(content)
            path.chmod(self._base[path][1] if path in self._base else 0o600)

    @property
    def base(self) -> dict[Path, bytes]:
        """The files before each trial."""
        return {path: content for path, (content, _) in self._base.items()}

    def set_times(self, seconds: int) -> None:
        """Let every file of the store have been changed at this time, in seconds, as on a disk that keeps no more."""
        for path in self._known():
            os.utime(path, (seconds, seconds))

    def inodes(self) -> dict[int, Path]:
        """Return the files before the trial by their numbers on the disk, which `reset` changes."""
        return {path.stat().st_ino: path for path in self._base}

    def actor(
        self,
        name: str,
        *,
        spoiled: bool = False,  # noqa: ARG002  # every process has files
        hurried: bool = False,
        limit: float | None = None,
    ) -> FileActor:
        """Fork a process, see `Stage.actor`."""
        return FileActor(self, name, Child(self._play, hurried), self._limit if limit is None else limit)

    def steps(self, plan: Plan, *, every_fault: bool) -> list[list[Point]]:
        """Return the points by the calls of the story, see `Stage.steps`; the record has a note before each call."""
        steps, all_faults = [], every_fault or plan.every_fault
        for calls in numbered(self.operations(), self.kinds):
            points = [
                Point(at, fault, self.short(f"{WORDS[operation.kind]} {operation.path}"))
                for at, operation in (calls if every_fault or plan.every_call else telling(calls))
                if operation.kind & plan.kinds
                for fault in plan.faults(operation.kind)[: None if all_faults else plan.least]
            ]
            steps.append(points)
        return steps

    def lasting(self, plan: Plan) -> list[Point]:
        """Return the first call of each kind on each file, and the first after the store was opened."""
        if plan.lasting is None:
            return []
        steps = numbered(self.operations(), self.kinds)
        opening = {(operation.kind, operation.path): 0 for step in steps for _, operation in step}
        for _, operation in steps[0] if steps else ():
            opening[operation.kind, operation.path] += 1
        later = {(operation.kind, operation.path) for step in steps[1:] for _, operation in step}
        return [
            Point(at, fault, f"{WORDS[kind]} {self.short(path)}", kind, Path(path))
            for (kind, path), before in opening.items()
            for at in dict.fromkeys((before + 1 if (kind, path) in later else 1, 1))
            for fault in plan.lasting(kind)[: None if at > before else 1]
        ]

    def short(self, text: str) -> str:
        """Return a text of a report with the paths of the store's files from its folder."""
        for folder in self.folders:
            text = text.replace(f"{folder}/", "")
        return text

    def operations(self) -> list[Operation]:
        """Return the recorded calls of the last trial."""
        return recorded(self.record)

    def _make(self) -> list[Operation]:
        """Make the store, and return the recorded calls, with a note before and after each commit."""
        self.kinds, kinds = CHANGES | Kind.OPEN, self.kinds
        actor = self.actor("")
        actor.arm(Point())
        outcomes = [actor.perform("open")]
        for number, writes in enumerate(self.script.base):
            actor.note(f"begin {number}")
            outcomes.append(actor.perform("commit", writes))
            actor.note(f"end {number}")
        outcomes.append(actor.perform("close"))
        actor.end()
        check_undisturbed(outcomes)
        self.kinds = kinds
        operations = self.operations()
        committing = itertools.dropwhile(lambda operation: operation.path != "begin 0", operations)
        if not any(operation.kind & MADE for operation in committing):
            raise NotRun(_NOTHING_SEEN if self._watch.sees_libraries else _NO_LIBRARY_SEEN)
        return operations

    def _known(self) -> set[Path]:
        """Return the store's files: those that were written and, if not every call is seen, those named after them."""
        found = {path for path in self._paths if path.is_file()}
        if not self._watch.sees_libraries:
            beside = [
                path for known in self._paths for path in known.parent.glob(f"{glob.escape(known.name)}[!0-9A-Za-z]*")
            ]
            found |= {path for path in beside if path.is_file()}
        return found

    def _play(self, pipe: Connection, hurried: bool) -> None:  # noqa: FBT001  # passed on by Child
        """Do in a forked child what the actor asks for."""
        session, watch = Session(self._opener), self._watch
        watch.skip_syncs()  # no power is cut here, and a trial makes dozens of them
        if hurried:
            watch.skip_sleeps()
        self._note_names()
        while True:
            call, *arguments = receive(pipe)
            match call:
                case "arm":
                    watch.disarm()  # the record is not a file of the store
                    watch.record(os.open(self.record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
                    point = cast("Point", arguments[0])
                    assert isinstance(point.fault, Fault)
                    if point.fault.raises is not None:
                        signal.signal(signal.SIGINT, partial(_raise, point.fault.raises))
                    kinds = self.kinds if point.kinds is None else point.kinds
                    watch.arm(self.folders, kinds, point.fault, point.at, only=point.path)
                    answer: object = None
                case "clock":
                    watch.set_clock(arguments[0])
                    answer = None
                case "note":
                    watch.note(arguments[0])
                    answer = None
                case "disarm":
                    watch.disarm()
                    answer = watch.struck()
                    self._note_names()
                case _:
                    watch.note(call)
                    answer = session.perform(call, *arguments)
            send(pipe, ("done", answer))

    def _note_names(self) -> None:
        """Record from now on which files this process makes, for the next `put`, without a fault."""
        self._watch.record(os.open(self._names, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        self._watch.arm(self.folders, NAMED)


def check_undisturbed(outcomes: Sequence[Outcome]) -> None:
    """Check the calls of a process that no error was injected into.

    Raises:
        Shown: One of them raised an error.
    """
    if error := next((outcome.error for outcome in outcomes if outcome.error), ""):
        raise Shown(f"without an error on the way, a call raised {error}", tuple(map(str, outcomes)))


@attrs.define
class FileActor:
    """A forked process, see `Actor`."""

    _stage: FileStage
    name: str
    child: Child
    _limit: float

    def perform(self, call: str, *arguments: Any) -> Outcome:  # of each of the calls
        """Make a call in the process, see `Actor.perform`."""
        self.child.send((call, *arguments))
        return self._received()

    def _received(self) -> Outcome:
        try:
            outcome: Outcome = self.child.receive(self._limit)
        except (EOFError, OSError):
            raise Died(end_of_process(self.child.exit_code())) from None
        return outcome

    def arm(self, point: Point) -> None:
        """Inject an error into the process, see `Actor.arm`."""
        self.child.send(("arm", point))
        self.child.receive(self._limit)

    def disarm(self) -> str:
        """Inject nothing more, see `Actor.disarm`."""
        self.child.send(("disarm",))
        struck: str = self._stage.short(self.child.receive(self._limit))
        return f"the {struck}" if struck else ""

    def go_on(self) -> Outcome:
        """Resume the process, which was stopped in a call, and return the outcome of that call, see `Actor.perform`."""
        self.child.resume()
        return self._received()

    def set_clock(self, seconds: int) -> None:
        """Let the wall clock of the process stand still at this time, in seconds."""
        self.child.send(("clock", seconds))
        self.child.receive(self._limit)

    def note(self, text: str) -> None:
        """Add a note to the record of the process."""
        self.child.send(("note", text))
        self.child.receive(self._limit)

    def end(self) -> None:
        """Kill the process, see `Actor.end`."""
        self.child.kill()


def _raise(error: type[BaseException], *_signal: object) -> None:
    raise error("a signal arrived")

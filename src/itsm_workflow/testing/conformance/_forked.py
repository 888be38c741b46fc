"""A process that is forked from one that has a backend open, and goes on to use the same backend object."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from itsm_workflow.testing.conformance._pipes import receive, send
from itsm_workflow.testing.conformance._recording import portable
from itsm_workflow.testing.conformance._reports import Failure, Shown
from itsm_workflow.testing.conformance._trials.runner import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from itsm_workflow.testing.conformance._pulse import SharedPulse
    from itsm_workflow.testing.conformance._recording import Call, RecordedBackend

FORKED = "the forked process"
_GLANCE = 0.05


class Forked:
    """The forked process, as its parent sees it.

    Args:
        pipe: The end of the pipe to it.
        pulse: Its calls.
    """

    def __init__(self, pipe: Connection, pulse: SharedPulse) -> None:
        self.pipe, self._pulse = pipe, pulse

    def calls(self, limit: float, which: str = "") -> list[Call]:
        """Wait for the end of its work, and return its calls.

        Args:
            limit: The seconds after which a call is blocked, or the process if it makes none.
            which: A clause about the process for the report.

        Raises:
            Shown: It failed, has ended, or is blocked.
        """
        returned, since = self._pulse.returned, time.monotonic()
        while not self.pipe.poll(_GLANCE):
            name, seconds = self._pulse.in_call()
            if seconds > limit:
                raise Shown(f"blocked: a call of {name} by {FORKED}{which} did not return within {limit:g} s")
            now = time.monotonic()
            if name or self._pulse.returned != returned:
                returned, since = self._pulse.returned, now
            elif now - since > limit:
                raise Shown(f"blocked: {FORKED}{which} did not call the backend within {limit:g} s")
        try:
            kind, report = receive(self.pipe)
        except EOFError:
            name, _ = self._pulse.in_call()
            raise Shown(f"{FORKED} ended {f'in a call of {name}' if name else 'between two calls'}") from None
        if kind == "failed":
            raise Shown(f"{FORKED} failed: {report.problem}")
        return list(report)


@contextmanager
def forked(backend: RecordedBackend, pulse: SharedPulse, work: Callable[[Connection], None]) -> Iterator[Forked]:
    """Work in a forked process, and yield it; it is killed after the block.

    Args:
        backend: The backend that both processes use.
        pulse: The memory for the calls of the forked process.
        work: Its work, which gets its end of the pipe.
    """
    ours, theirs = multiprocessing.Pipe()
    pulse.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # this process has threads, or a backend has
        child = os.fork()
    if not child:
        end_with_parent()
        ours.close()
        _in_the_child(backend, pulse, theirs, work)
        os._exit(0)
    theirs.close()
    try:
        yield Forked(ours, pulse)
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        ours.close()


def _in_the_child(
    backend: RecordedBackend, pulse: SharedPulse, pipe: Connection, work: Callable[[Connection], None]
) -> None:
    recording = backend.recording
    recording.by, recording.pulse, recording.calls, recording.pending = FORKED, pulse, [], {}
    try:
        work(pipe)
        backend.close()
        send(pipe, ("calls", [portable(call) for call in recording.calls]))
    except BaseException as error:  # noqa: BLE001  # its parent reports it
        with suppress(OSError):
            send(pipe, ("failed", Failure.of(error, ())))

"""The command that settles every change that is due, once or repeatedly."""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import sys
from typing import TYPE_CHECKING

import attrs
import rich_click as click
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.output import as_json, line, note
from itsm_workflow.cli.places import Place, placed
from itsm_workflow.cli.show import json_option
from itsm_workflow.cli.troubles import troubles
from itsm_workflow.cli.values import Seconds, Whole
from itsm_workflow.clock import SystemClock
from itsm_workflow.doctor.storage import late_query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from itsm_workflow.runtime.reconciler import Report
    from itsm_workflow.workflow import Workflow


@click.command()
@click.option("--limit", type=Whole(1), help="Settle at most this many changes in a pass.")
@click.option("--seconds", type=Seconds(0.001), help="Start no further change after this time.")
@click.option("--watch", type=Seconds(0.01), metavar="SECONDS", help="Repeat, and pause this long after each pass.")
@json_option
@placed
def reconcile(place: Place, limit: int | None, seconds: float | None, watch: float | None, *, in_json: bool) -> Exit:
    """Bring every change that is due to what the gateway says; run it every few minutes.

    With --watch it repeats until Ctrl-C; after SIGTERM it ends the running pass first.
    """
    with place.workflow() as workflow:
        if watch is None:
            code = _pass(workflow, limit, seconds, in_json=in_json)
            _report_others(workflow, [])
            return code
        reported: list[str] = []
        with _until_stopped() as stop:
            while not stop.asked:
                _pass(workflow, limit, seconds, in_json=in_json)
                reported = _report_others(workflow, reported)
                sys.stdout.flush()
                stop.pause(watch)
    return stop.code


def _pass(workflow: Workflow, limit: int | None, seconds: float | None, *, in_json: bool) -> Exit:
    with troubles() as shown, _progress(limit) as progress:
        report = workflow.reconcile(limit=limit, seconds=seconds, progress=progress)
    if in_json:
        as_json({**attrs.asdict(report), "seconds": round(report.seconds, 3)})
    else:
        line(
            f"due {report.due}: moved {report.moved}, unchanged {report.unchanged}, busy {report.busy}, "
            f"failed {report.failed}, unreadable {report.unreadable}; undelivered callbacks {report.undelivered}; "
            f"{report.seconds:.1f} s"
        )
    if not report.finished:
        note(f"itsm-workflow: the pass ended before it had settled every due change: {report.stopped}")
    if report.finished and not report.failed and not report.unreadable and not shown.gateway:
        return Exit.DONE
    return Exit.GATEWAY if shown.gateway and report.failed == report.due else Exit.PARTLY


def _report_others(workflow: Workflow, reported: list[str]) -> list[str]:
    """Name the other workflows whose changes are long overdue, unless the pass before named the same."""
    others = workflow.other_workflows(late_query(SystemClock().now()))
    if others and others != reported:
        note(
            f"itsm-workflow: this pass settled only changes of {workflow.definition.name}, but the store also holds "
            f"changes of {', '.join(others)} that have long been due: name the application of that workflow (--app)"
        )
    return others


@contextlib.contextmanager
def _progress(limit: int | None) -> Iterator[Callable[[Report], object] | None]:
    """Draw a bar on standard error while it is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("settling due changes", total=limit)
        yield lambda report: bar.update(task, completed=report.due)


class _Stop:
    """The end of a repeated command, as a signal asks for it: the flag, and the exit code."""

    def __init__(self) -> None:
        self.asked = False
        self.code = Exit.DONE
        # A handler takes no lock: the code that it interrupts may hold it, as the wait for an event does.
        self._waiting, self._waking = socket.socketpair()

    def pause(self, seconds: float) -> None:
        """Wait for a signal, or for this time."""
        select.select([self._waiting], [], [], seconds)

    def close(self) -> None:
        """Close the sockets."""
        self._waiting.close()
        self._waking.close()

    def _ask(self) -> None:
        self.asked = True
        self._waking.send(b"x")

    def terminate(self, _number: int, _frame: FrameType | None) -> None:
        """After SIGTERM, end after the running pass."""
        self._ask()

    def interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """After Ctrl-C, end without the rest of the running pass.

        Python drops an exception that a signal handler raises while an object is being removed (``__del__``, the
        callback of a weak reference): then the command ends after the running pass.

        Raises:
            KeyboardInterrupt: Always.
        """
        self.code = Exit.INTERRUPTED
        self._ask()
        raise KeyboardInterrupt


@contextlib.contextmanager
def _until_stopped() -> Iterator[_Stop]:
    """Handle Ctrl-C and SIGTERM by a `_Stop`."""
    stop = _Stop()
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, stop.terminate)}
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # a shell starts background processes like that
        before[signal.SIGINT] = signal.signal(signal.SIGINT, stop.interrupt)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        stop.close()

"""A process that runs a backend where its calls can be seen and made to fail, and forks a child for each trial.

It is started with the shared object of `preload` where that can be built; elsewhere Python's own functions are
replaced, see `patched`. A fork costs a millisecond, a new interpreter some hundred.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import logging
import multiprocessing.connection
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from multiprocessing import spawn
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

from itsm_workflow.testing.conformance._base import NotRun
from itsm_workflow.testing.conformance._pipes import receive, send
from itsm_workflow.testing.conformance._reports import Failure, Shown, end_of_process
from itsm_workflow.testing.conformance._trials import preload
from itsm_workflow.testing.conformance._trials.patched import Patched
from itsm_workflow.testing.conformance._trials.preload import Shim

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from itsm_workflow.testing.conformance._trials.calls import Watch

P = ParamSpec("P")
T = TypeVar("T")

_MAIN = "import sys; sys.path[:] = {path!r}; from {module} import main; main({descriptor})"
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_running: set[subprocess.Popen[bytes]] = set()


def end_runners() -> None:
    """End the processes of `run_where_calls_are_seen` that still run, and with them their forked children."""
    for process in [*_running]:
        process.kill()
        process.wait()


class Stopped(Exception):
    """A forked child was stopped by its fault."""


class Died(Exception):
    """A forked child ended in a call; the message says how."""


class Silent(Exception):
    """A forked child reported nothing within the limit; it was killed."""


def run_where_calls_are_seen(work: Callable[Concatenate[Watch, Path, P], T], *args: P.args, **options: P.kwargs) -> T:
    """Call a function in a new process in which the calls on files are seen, and return its result.

    Args:
        work: A function of a module; it gets the view of the calls first, and a folder that is removed afterwards.
        args: Further arguments, which can be pickled.
        options: The same, by name.

    Raises:
        NotRun: The function raised it, or this system cannot fork a process.
        AssertionError: The function failed.
    """
    if not hasattr(os, "fork"):
        raise NotRun("it forks processes, which this system cannot")
    ours, theirs = multiprocessing.Pipe()
    code = _MAIN.format(path=sys.path, module=__name__, descriptor=theirs.fileno())
    with (
        tempfile.TemporaryDirectory(prefix="itsm-workflow-calls-") as folder,
        ours,
        subprocess.Popen(  # noqa: S603  # this interpreter, a module of this package
            [sys.executable, "-c", code],
            env=preload.environment(preload.shim()),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        ) as process,
    ):
        theirs.close()
        _running.add(process)
        try:
            preparation = spawn.get_preparation_data("runner")
            del preparation["authkey"]  # refuses to be pickled, and the process needs none
            send(ours, preparation)
            send(ours, (work, (Path(folder), *args), options))
            kind, result = receive(ours)
        except (EOFError, OSError):  # OSError: it ended before it had read its work
            raise Shown(f"the process that ran the backend ended {end_of_process(process.wait())}") from None
        finally:
            process.kill()
            _running.discard(process)
    if kind == "not run":
        raise NotRun(result)
    if kind == "broken":
        raise Shown(*result)
    if kind == "failed":
        raise Shown(f"the process that ran the backend failed: {result.problem}", tuple(result.frames.splitlines()))
    return cast("T", result)


def main(descriptor: int) -> None:
    """Serve one call of `run_where_calls_are_seen`, whose pipe is at the descriptor."""
    logging.disable()  # backends log the faults that are injected here
    sys.dont_write_bytecode = True
    pipe = multiprocessing.connection.Connection(descriptor)
    try:
        spawn.prepare(receive(pipe))
        work, args, options = receive(pipe)
        gc.collect()
        gc.freeze()  # otherwise each child copies the memory of all objects when its collector looks at them
        send(pipe, ("done", work(Shim.loaded() or Patched(), *args, **options)))
    except NotRun as missing:
        send(pipe, ("not run", str(missing)))
    except Shown as broken:
        send(pipe, ("broken", broken.args))
    except BaseException as error:  # noqa: BLE001  # reported to the process that waits
        with suppress(OSError):  # it no longer waits
            send(pipe, ("failed", Failure.of(error, ())))


class Child:
    """A forked child that works on the store and exchanges messages with this process.

    Args:
        work: Called in the child with the pipe and the arguments; its result is the child's last report.
        args: The arguments.
    """

    def __init__(self, work: Callable[Concatenate[Connection, P], Any], *args: P.args, **options: P.kwargs) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        self._ended = False
        self.pid = os.fork()
        if not self.pid:
            self._pipe.close()
            _work(theirs, lambda: work(theirs, *args, **options))
        theirs.close()

    def send(self, message: object) -> None:
        """Send a message to the child; a child that has ended does not get it."""
        with suppress(OSError):
            send(self._pipe, message)

    def receive(self, limit: float) -> Any:  # noqa: ANN401  # whatever it reports
        """Wait for the next report.

        Raises:
            Stopped: The child was stopped.
            Silent: It reported nothing for that many seconds, and was killed.
            EOFError: It was killed, or has no more to report.
            AssertionError: It failed.
        """
        until = time.monotonic() + limit
        while not self._pipe.poll(0.002):
            if not self._ended and os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT):
                raise Stopped
            if time.monotonic() > until:
                self.kill()
                raise Silent
        kind, report = pickle.loads(self._pipe.recv_bytes())  # noqa: S301  # from this process's own child
        if kind == "failed":
            raise AssertionError(report)
        return report

    def resume(self) -> None:
        """Let a stopped child go on."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End the child without warning."""
        if not self._ended:
            os.kill(self.pid, signal.SIGKILL)
            self.end()

    def exit_code(self) -> int:
        """Wait for the end of the child, and return its exit code, that of a signal below 0."""
        self._ended = True
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def end(self) -> None:
        """Wait for the end of the child."""
        if not self._ended:
            os.waitpid(self.pid, 0)
            self._ended = True
        self._pipe.close()


def end_with_parent() -> None:
    """Let the kernel end this forked process with the one that it was forked from, even if it is stopped; on Linux."""
    with suppress(AttributeError, OSError):
        _libc().prctl(_DEATH_SIGNAL, signal.SIGKILL)


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def _work(pipe: Connection, work: Callable[[], object]) -> None:
    """Work in a forked child, report, and end it without the clean-up of the process that it was forked from."""
    end_with_parent()
    try:
        send(pipe, ("done", work()))
    except BaseException:  # noqa: BLE001  # reported to the process that waits
        with suppress(OSError):
            send(pipe, ("failed", traceback.format_exc()))
    finally:
        os._exit(0)

"""A process that is really killed: a forked child, whose ticket system and clock stay in its parent."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import traceback
from multiprocessing import Pipe
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

import attrs

from itsm_workflow import open_storage
from itsm_workflow.audit import Delivery
from itsm_workflow.secrets import Secret
from tests.faults.mortal import MortalGateway, MortalWorld
from tests.faults.stores import opened

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from itsm_workflow.runtime.effects import EffectCall
    from tests.faults.mortal import Stage
    from tests.faults.points import Where


def _bare(secret: Secret) -> tuple[type[Secret], tuple[str]]:
    return Secret, (secret.reveal(),)


ForkingPickler.register(Secret, _bare)  # the ticket system is in the other process, and needs the secret itself


@attrs.frozen
class End:
    """The end of a child: struck, or after a number of points, or with an error."""

    struck: bool
    passed: int = 0
    error: str = ""


def _far(name: str) -> Any:  # noqa: ANN401 - it replaces methods of several signatures
    def ask(self: FarGateway, *arguments: object, **options: object) -> Any:  # noqa: ANN401 - as above
        self.line.send((name, arguments, options))
        return self.line.recv()

    return ask


class FarGateway(MortalGateway):
    """The child's connection to the ticket system: every call is sent to the parent."""

    line: Connection

    create = _far("create")
    read = _far("read")
    results = _far("results")
    find_by_key = _far("find_by_key")
    find_by_sn = _far("find_by_sn")
    undelivered = _far("undelivered")
    verify_token = _far("verify_token")
    withdraw = _far("withdraw")


class FarWorld(MortalWorld):
    """A world whose store is a file, and whose processes are really killed."""

    line: Connection | None = None
    """The child's connection to its parent; None in the parent."""

    def __init__(self, seed: int, url: str) -> None:
        super().__init__(seed, store=opened(url))
        self.url, self.path = url, Path("/" + url.partition("////")[2])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def open(self) -> None:
        """Open the store."""
        self.store = self.mortal = opened(self.url)

    def dies(self, stage: Stage, points: Where, at: int) -> End:
        """Let a child open the store, do a stage and be killed at a point; return its end, with the store open again.

        Args:
            stage: The stage.
            points: The points at which the child can be killed.
            at: The point at which it is killed; with 0 it completes the stage.
        """
        self.start()
        self.store.close()
        here, there = Pipe()
        child = os.fork()
        if child == 0:
            here.close()
            self._work_and_die(stage, points, at, there)
        there.close()
        end = End(struck=True)
        with here, contextlib.suppress(EOFError, ConnectionResetError, BrokenPipeError):
            while True:
                message = here.recv()
                if isinstance(message, End):
                    end = message
                else:
                    self._serve(here, *message)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        self.open()
        return end if killed == end.struck else End(struck=False, error=f"the child ended with status {status}")

    def hear(self, change_id: str, seq: int, key: str) -> None:
        """Record an entry; a child sends it to its parent."""
        if self.line is None:
            super().hear(change_id, seq, key)
        else:
            self.line.send(("told", change_id, seq, key))

    def _start(self, call: EffectCall) -> None:
        if self.line is None:
            super()._start(call)
        else:
            self.line.send(("effect", Delivery(effect=call.id, name=call.name, change=call.change.id)))

    def _serve(self, line: Connection, name: str, *message: Any) -> None:
        if name == "told":
            self.hear(*message)
        elif name == "effect":
            self.deliveries.extend(message)
        else:
            arguments, options = message
            line.send(getattr(self.gateway, name)(*arguments, **options))

    def _work_and_die(self, stage: Stage, points: Where, at: int, line: Connection) -> NoReturn:
        end = End(struck=False, error="it did not begin")
        gc.freeze()  # the ends of its parent's garbage are not points of its work
        try:
            self.line = line
            self.gateway = far = FarGateway(self.ledger, clock=self.clock)
            far.line = line

            def work() -> None:
                self.store = self.mortal = open_storage(self.url)
                stage(self)
                self.store.close()

            passed = points.passed(work, at=at, strike=lambda: os.kill(os.getpid(), signal.SIGKILL))
            end = End(struck=False, passed=passed)
        except BaseException:  # noqa: BLE001 - every error is sent to the parent
            end = End(struck=False, error=traceback.format_exc())
        finally:
            try:
                line.send(end)
            finally:
                os._exit(0)

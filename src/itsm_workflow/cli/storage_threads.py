"""The end of a program in which a backend has left threads that go on."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.cli.exits import Exit, exit_of
from itsm_workflow.cli.output import clean, note
from itsm_workflow.errors import ItsmWorkflowError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SECONDS = 5.0
"""The time that threads have to end by themselves."""


@attrs.define
class End:
    """The end of a command.

    Attributes:
        code: Its exit code.
    """

    code: Exit | int = Exit.DONE


@contextlib.contextmanager
def ending_without_threads() -> Iterator[End]:
    """End this process when its main thread has ended, even if a thread that was started in the block goes on.

    The interpreter waits for each thread that is not a daemon, so that a backend that leaves one would keep the command
    from ending.
    """
    known, end = frozenset(threading.enumerate()), End()
    try:
        yield end
    except SystemExit as error:
        end.code = error.code if isinstance(error.code, int) else Exit.FAILED
        raise
    except KeyboardInterrupt:
        end.code = Exit.INTERRUPTED
        raise
    except ItsmWorkflowError as error:
        end.code = exit_of(error)
        raise
    finally:
        left = [thread for thread in threading.enumerate() if thread not in known and not thread.daemon]
        if left:
            threading.Thread(target=_end_after, args=(left, end), daemon=True).start()


def _end_after(threads: Sequence[threading.Thread], end: End) -> None:
    threading.main_thread().join()
    until = time.monotonic() + _SECONDS
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    names = [clean(thread.name) for thread in threads if thread.is_alive()]
    if names:
        note(f"the backend left threads that go on, and the command ends without them: {', '.join(names)}")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code)

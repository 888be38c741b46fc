"""The exceptions of other authors' code, such as a gateway or a rule of a host, that count as a failure of it."""

from __future__ import annotations

import sys


def failures() -> tuple[type[BaseException], ...]:
    """Return the types to catch: `Exception`, and ``asyncio.CancelledError``.

    A task that was cancelled in the code's own event loop does not mean that this process is to end.
    `KeyboardInterrupt`, `SystemExit` and `GeneratorExit` do, and are not caught.
    """
    raised_by = sys.modules.get("asyncio.exceptions")  # not imported here: hosts without event loops do not need it
    return (Exception,) if raised_by is None else (Exception, raised_by.CancelledError)


def failures_in_a_test() -> tuple[type[BaseException], ...]:
    """Return the types to catch in a tool that tests such code: `failures`, and `SystemExit`.

    A function of the host that calls ``sys.exit`` would otherwise end the tool without a result, with the exit code of
    that call, which is 0 by default.
    """
    return (*failures(), SystemExit)

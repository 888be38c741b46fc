"""The lines of a backend's own code, at which a test acts, for example to kill the process."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from itsm_workflow.storage import protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from itsm_workflow.storage.protocol import StorageBackend

_NOT_THE_BACKENDS_OWN = (protocol.__file__, str(Path(__file__).parent), "<attrs generated")


@contextmanager
def at_line(line: int, act: Callable[[], object], *, of: frozenset[str] = frozenset()) -> Iterator[list[int]]:
    """Act after that many lines of Python in the block, not counting the port's; yield the number so far.

    Args:
        line: The number of the line, from 1; 0 for none.
        act: Called before that line.
        of: Count only lines of these packages at the top; by default, of all.
    """
    lines = [0]

    def trace(frame: FrameType, event: str, _argument: object) -> Any:  # noqa: ANN401  # itself
        if frame.f_code.co_filename.startswith(_NOT_THE_BACKENDS_OWN):
            return None
        if of and _package_of(frame.f_globals.get("__name__", "")) not in of:
            return None
        if event == "line":
            lines[0] += 1
            if lines[0] == line:
                act()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield lines
    finally:
        sys.settrace(before)


def packages_of(backend: StorageBackend) -> frozenset[str]:
    """Return the packages at the top in which the class of a backend and those that it derives from are written."""
    packages = {_package_of(each.__module__) for each in type(backend).__mro__}
    return frozenset(packages - {"builtins", "typing", "abc"})


def _package_of(module: str) -> str:
    return module.partition(".")[0]

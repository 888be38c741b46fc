"""The lines of a backend's own code at which a commit can be interrupted and still leave nothing behind.

A signal reaches Python code between any two lines. Its exception ends the block of a ``with`` and of a ``try``, whose
clean-up then runs; but no code is safe against one that arrives before such a block has begun, or in its clean-up. So
these lines are left alone: those of ``with`` and ``try`` themselves, those of ``except`` and ``finally``, what these
call, and the methods ``__enter__`` and ``__exit__``. The checks of the arguments hold nothing, and are left alone, too.
"""

from __future__ import annotations

import ast
import contextlib
import functools
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.storage import checks
from itsm_workflow.testing.conformance._lines import place_of

if TYPE_CHECKING:
    from types import FrameType

_CLEANS_UP = frozenset({"__exit__", "__aexit__", "__del__"})


def is_interruptible(frame: FrameType) -> bool:
    """Return whether the blocks that the frame and its callers are in clean up after an exception at its line."""
    path, line = place_of(frame)
    if path == checks.__file__ or line in _structure(path).begins:
        return False
    caller: FrameType | None = frame
    while caller is not None:
        path, line = place_of(caller)
        name = caller.f_code.co_name
        if name in _CLEANS_UP or (name == "__enter__" and path != contextlib.__file__):
            return False
        if line in _structure(path).cleans_up:
            return False
        caller = caller.f_back
    return True


@attrs.frozen
class _Structure:
    """The lines of a file that begin a ``with`` or a ``try``, and those of ``except`` and ``finally``."""

    begins: frozenset[int] = frozenset()
    cleans_up: frozenset[int] = frozenset()


@functools.cache
def _structure(path: str) -> _Structure:
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):  # code without a file
        return _Structure()
    begins: set[int] = set()
    cleans_up: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.With | ast.AsyncWith):
            begins.update(range(node.lineno, node.body[0].lineno), [node.lineno])
        elif isinstance(node, ast.Try | ast.TryStar):
            begins.add(node.lineno)
            parts: list[ast.ExceptHandler | ast.stmt] = [*node.handlers, *node.finalbody]
            for part in parts:
                cleans_up.update(range(part.lineno, (part.end_lineno or part.lineno) + 1))
    return _Structure(frozenset(begins), frozenset(cleans_up))

"""The call that another process is in and its last calls, seen from outside, also while it is stopped or blocked."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Any

from itsm_workflow.testing.conformance._recording import Call

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

_METHODS = ("", "open", "commit", "get", "find", "history", "close")
_IN, _SINCE, _RETURNED = range(3)
_HEAD = struct.Struct("<qqH")
_LONGEST = 320
_LINE = _HEAD.size + _LONGEST
_KEPT = 8


class SharedPulse:
    """Memory that two processes share: the call that one of them is in, how many returned, and the last of these."""

    def __init__(self, context: BaseContext) -> None:
        self._cells: Any = context.RawArray("q", 3)
        self._lines: Any = context.RawArray("B", _KEPT * _LINE)

    def begin(self, call: Call) -> None:
        """Note the beginning of a call; called by the process that makes it."""
        self._cells[_SINCE] = call.began
        self._cells[_IN] = _METHODS.index(call.name)

    def end(self, call: Call) -> None:
        """Note a call that returned."""
        self._cells[_IN] = 0
        place = self._cells[_RETURNED] % _KEPT * _LINE
        self._cells[_RETURNED] += 1
        line = str(call).encode(errors="replace")[:_LONGEST]
        lines = memoryview(self._lines).cast("B")
        _HEAD.pack_into(lines, place, 0, 0, 0)  # a process that is killed here leaves no line
        lines[place + _HEAD.size : place + _HEAD.size + len(line)] = line
        _HEAD.pack_into(lines, place, call.began, call.ended or 0, len(line))

    def clear(self) -> None:
        """Forget all calls, for the next process."""
        self._cells[:] = [0] * len(self._cells)
        self._lines[:] = bytes(len(self._lines))

    @property
    def returned(self) -> int:
        """The number of calls that returned."""
        return int(self._cells[_RETURNED])

    def in_call(self) -> tuple[str, float]:
        """Return the method that the process is in and for how many seconds; an empty name if it is in none."""
        name = _METHODS[self._cells[_IN]]
        return name, (time.monotonic_ns() - self._cells[_SINCE]) / 1e9 if name else 0.0

    def last_calls(self, by: str) -> list[Call]:
        """Return the last calls of the process under this name, as text; the last one may not have returned."""
        lines, calls = bytes(self._lines), []
        for place in range(0, len(lines), _LINE):
            began, ended, size = _HEAD.unpack_from(lines, place)
            text = lines[place + _HEAD.size : place + _HEAD.size + size].decode(errors="ignore")
            if size:
                calls.append(Call("", by=by, began=began, ended=ended, text=text))
        if name := _METHODS[self._cells[_IN]]:
            calls.append(Call(name, by=by, began=int(self._cells[_SINCE]), ended=None, text=name))
        return sorted(calls, key=lambda call: call.began)

"""The processor time of a process and of those that it has started, however many generations later."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

_PARENT, _TIMES = 1, slice(11, 15)
"""Places after the program's name in ``/proc/<pid>/stat``: the parent, and the times of it and its dead children."""


def seconds_of_the_processor() -> float:
    """Return the seconds so far: those of this process, and of each process below it that lives or was waited for.

    Where the system has no ``/proc``, a process is not counted before this one has waited for it.
    """
    own = os.times()
    return time.process_time() + own.children_user + own.children_system + _of_the_living()


def _of_the_living() -> float:
    children = defaultdict[int, list[int]](list)
    ticks = dict[int, int]()
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # the process has ended meanwhile
            values = file.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            process = int(file.parent.name)
            children[int(values[_PARENT])].append(process)
            ticks[process] = sum(map(int, values[_TIMES]))
    below, pending = list[int](), [*children[os.getpid()]]
    while pending:
        process = pending.pop()
        below.append(process)
        pending += children[process]
    return sum(ticks[process] for process in below) / os.sysconf("SC_CLK_TCK") if below else 0.0

"""What a fork does to connections: the child inherits them without the locks that they rely on.

SQLite keeps one record of locks for each file and process, and believes the inherited one. A child that opened a
connection of its own beside an inherited one would hold no lock: another process would take itself for the last one,
and remove the log under the child. So the child closes what it inherited before it opens anything. That disturbs
nobody: an idle connection has nothing to roll back, and with the parent's lock in the way, its closing writes nothing.
A connection in the middle of a call cannot be closed like this, so a fork waits for the calls of other threads.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Forkable(Protocol):
    """An object that holds connections."""

    def hold(self) -> None:
        """Wait until no other thread is in the middle of a call, and let none begin one."""
        ...

    def release(self) -> None:
        """Let calls begin again."""
        ...

    def close_inherited(self) -> None:
        """Close what was inherited, in the child."""
        ...

    def begin_anew(self) -> None:
        """Let calls begin in the child."""
        ...


class _Registry:
    """All objects of this process that hold connections, and the one fork that may be on its way."""

    def __init__(self) -> None:
        self.known: weakref.WeakSet[Forkable] = weakref.WeakSet()
        self.renew()

    def renew(self) -> None:
        self.mutex = threading.Lock()
        self.forking = threading.Lock()
        self.held: list[Forkable] = []

    def listed(self) -> list[Forkable]:
        with self.mutex:
            return list(self.known)

    def before(self) -> None:
        self.forking.acquire()
        self.held = self.listed()
        for each in self.held:
            each.hold()

    def after_in_parent(self) -> None:
        for each in self.held:
            each.release()
        self.held = []
        self.forking.release()

    def after_in_child(self) -> None:
        # The threads that might hold these locks do not exist in the child.
        self.renew()
        known = self.listed()
        # Several objects may have one file: none may open it before the last has closed what was inherited.
        for each in known:
            each.close_inherited()
        for each in known:
            each.begin_anew()


_REGISTRY = _Registry()


def register(each: Forkable) -> None:
    """Prepare the object for forks, until it is garbage."""
    with _REGISTRY.mutex:
        _REGISTRY.known.add(each)


def registered() -> list[Forkable]:
    """Return all objects of this process that were registered and are no garbage."""
    return _REGISTRY.listed()


def leave_parent() -> None:
    """Do in a child what the hooks do; called where the process may have been forked by other means than Python's."""
    _REGISTRY.after_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_REGISTRY.before,
        after_in_parent=_REGISTRY.after_in_parent,
        after_in_child=_REGISTRY.after_in_child,
    )

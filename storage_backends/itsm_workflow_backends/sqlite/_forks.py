"""Fork handling: a child inherits connections, but not the locks that they rely on.

SQLite keeps one record of locks for each file and process, and relies on the inherited record in the child. If the
child opened its own connection while it has an inherited one, it would hold no lock. Another process would then take
itself for the last user and remove the log that the child is using. So the child closes the inherited connections
before it opens its own. That does not disturb the parent: an idle connection has nothing to roll back, and because of
the parent's lock, closing it writes nothing. A connection that a call is using cannot be closed like this, so a fork
waits for the calls of other threads.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Forkable(Protocol):
    """An object that owns connections."""

    def hold(self) -> None:
        """Before a fork, wait for the calls of other threads, and keep new calls waiting."""
        ...

    def release(self) -> None:
        """After a fork, let calls begin again."""
        ...

    def close_inherited(self) -> None:
        """Close the inherited connections in the child."""
        ...

    def restart(self) -> None:
        """Let calls begin in the child."""
        ...


class _Registry:
    """All objects of this process that own connections, and the fork that may be in progress."""

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
        # Several objects may use the same file: none may open it before all have closed their inherited connections.
        for each in known:
            each.close_inherited()
        for each in known:
            each.restart()


_REGISTRY = _Registry()


def register(each: Forkable) -> None:
    """Prepare the object for forks, until it is garbage-collected."""
    with _REGISTRY.mutex:
        _REGISTRY.known.add(each)


def registered() -> list[Forkable]:
    """Return all registered objects of this process that were not garbage-collected."""
    return _REGISTRY.listed()


def reset_in_child() -> None:
    """Do the work of the fork hooks in a child that was not forked by Python, so that the hooks did not run."""
    _REGISTRY.after_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_REGISTRY.before, after_in_parent=_REGISTRY.after_in_parent, after_in_child=_REGISTRY.after_in_child
    )

"""Django's connections, as the store uses them: one for each thread, closed when the thread ends, not shared by a fork.

Django itself closes connections at the end of requests. Other threads that use the store would leave theirs to the
garbage collector.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from typing import TYPE_CHECKING

from django.db import connections

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


class _Guard:
    """Closes a thread's connection when the thread ends."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self._pid = os.getpid()

    def __del__(self) -> None:
        if self._pid == os.getpid():  # a forked process ends the threads of its parent, whose sessions go on
            with contextlib.suppress(Exception):
                self.connection.close()


class _Threads(threading.local):
    """The guards of this thread, by alias."""

    def __init__(self) -> None:
        self.guards: dict[str, _Guard] = {}


_threads = _Threads()
_known: weakref.WeakSet[BaseDatabaseWrapper] = weakref.WeakSet()
_kept: list[BaseDatabaseWrapper] = []
_registering = threading.Lock()


def connection_of(alias: str) -> BaseDatabaseWrapper:
    """Return this thread's connection."""
    connection = connections[alias]
    guard = _threads.guards.get(alias)
    if guard is None or guard.connection is not connection:
        if threading.current_thread() is not threading.main_thread():
            _threads.guards[alias] = _Guard(connection)
        with _registering:
            _known.add(connection)
    return connection


def host_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the host has a transaction open on this connection.

    The transaction around a test of Django's `TestCase` does not count, since it is never committed.
    """
    if connection.in_atomic_block:
        return any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)
    return not connection.get_autocommit()


def is_manual(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the host commits by itself on this connection, so that Django calls nothing after the commit."""
    return not connection.in_atomic_block and not connection.get_autocommit()


def discard(connection: BaseDatabaseWrapper) -> None:
    """Close a connection that was lost, so that the next statement opens another one."""
    try:
        connection.close()
    except Exception:  # noqa: BLE001 - it is lost anyway
        connection.connection = None


def _before_fork() -> None:
    _registering.acquire()
    _kept.extend(_known)  # else the forked process would close the sessions of its parent with them


def _after_fork_in_parent() -> None:
    _kept.clear()
    _registering.release()


def _after_fork_in_child() -> None:
    """Give this process new connections, without closing those of its parent."""
    _registering.release()
    _threads.guards.clear()
    for connection in list(_known):
        if connection.vendor == "sqlite" and connection.is_in_memory_db():
            continue  # the data exists only there, and this process has a copy of it
        with contextlib.suppress(Exception):
            if connections[connection.alias] is connection:
                del connections[connection.alias]
                if connection.vendor == "sqlite" and not connection.in_atomic_block:
                    # SQLite would rely on its record of the parent's locks, which this process does not have.
                    connection.connection.close()
                    connection.connection = None
    _known.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)

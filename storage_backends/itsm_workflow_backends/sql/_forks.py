"""Fork handling: a child process must not use the connections that it inherited, because its parent uses them.

The child gets a new pool. The old one is neither closed, which would end the session of the parent, nor released,
because the driver complains of an open connection that is garbage-collected.
"""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Engine, Pool

_ENGINES: weakref.WeakSet[Engine] = weakref.WeakSet()
_INHERITED: list[Pool] = []


def register(engine: Engine) -> None:
    """Give the engine a new pool in each child process that is forked, until it is garbage-collected."""
    _ENGINES.add(engine)


def _renew_pools() -> None:
    for engine in list(_ENGINES):
        _INHERITED.append(engine.pool)
        engine.dispose(close=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_pools)

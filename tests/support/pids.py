"""Process ids that a module of the library sees in place of the real one."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def see_pid(monkeypatch: pytest.MonkeyPatch, module: str, pid: int = -1) -> None:
    """Let one module see this process id, as after a fork.

    The others see the real one, since the collection of garbage may run a finalizer of `multiprocessing` at any time.

    Args:
        monkeypatch: Takes it back.
        module: The name of the module, which imports `os`.
        pid: The id, by default one that no process has.
    """
    monkeypatch.setattr(f"{module}.os", SimpleNamespace(**{**vars(os), "getpid": lambda: pid}))

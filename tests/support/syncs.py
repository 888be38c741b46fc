"""The calls by which files are made durable, recorded."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Return what is synced from now on: how, and whether it is a folder."""
    done: list[tuple[str, bool]] = []
    for name in ("fsync", "fdatasync"):

        def note(descriptor: int, name: str = name) -> None:
            done.append((name, stat.S_ISDIR(os.fstat(descriptor).st_mode)))

        monkeypatch.setattr(os, name, note)
    return done

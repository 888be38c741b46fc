"""The memory backend keeps every promise of the port that does not outlive it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow.testing import StorageConformance
from itsm_workflow_backends.memory import MemoryBackend

if TYPE_CHECKING:
    from collections.abc import Callable


class TestMemory(StorageConformance):
    """One store in this process."""

    abilities = MemoryBackend.abilities

    @pytest.fixture
    def open_backend(self) -> Callable[[], MemoryBackend]:
        """Return the class: a new store each time, which the kit asks for once in a test."""
        return MemoryBackend

"""The JSON file backend keeps every promise of the port."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.storage import open_storage
from itsm_workflow.testing import StorageConformance
from itsm_workflow.testing.conformance import QUICK
from itsm_workflow_backends.json_file import JSONFileBackend
from tests.conformance.compactor import SMALL_STEPS, open_in_small_steps
from tests.conformance.profiles import SHORT, SLOW, long_promises

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from itsm_workflow.storage import StorageBackend


@long_promises(*SLOW)
class TestJSONFile(StorageConformance):
    """One file, opened by its URL."""

    abilities = JSONFileBackend.abilities
    profile = SHORT

    @pytest.fixture
    def open_backend(self, tmp_path: Path) -> Callable[[], StorageBackend]:
        """Return what opens the file of this test."""
        return partial(open_storage, f"json:///{tmp_path}/store.jsonl")


@pytest.mark.long
class TestJSONFileMoreOften(TestJSONFile):
    """With as many trials as a backend's author gets."""

    profile = QUICK


@pytest.mark.long
class TestJSONFileThatIsAlwaysCompacted(StorageConformance):
    """The same, while the file is replaced by a new one every few commits."""

    abilities = JSONFileBackend.abilities
    profile = SHORT

    @pytest.fixture
    def open_backend(self, tmp_path: Path) -> Callable[[], StorageBackend]:
        """Return what opens the file of this test."""
        return partial(open_storage, f"json:///{tmp_path}/store.jsonl", compact_at=1)


@pytest.mark.long
class TestJSONFileThatIsCompactedInSteps(StorageConformance):
    """The same, while it is compacted all the time, by one change after each commit."""

    abilities = JSONFileBackend.abilities
    profile = SHORT

    @pytest.fixture
    def open_backend(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], StorageBackend]:
        """Return what opens the file of this test."""
        for module, name in SMALL_STEPS:
            monkeypatch.setattr(module, name, 1)
        return partial(open_in_small_steps, tmp_path / "store.jsonl")

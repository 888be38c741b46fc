"""What each test of a backend checks besides."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.errors import ItsmWorkflowError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILE = re.compile(r"(?<!\S)/\S+/")


@pytest.fixture(autouse=True)
def _errors_carry_the_file_that_they_name(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail the test if an error of the store names a file and has no such ``path``: words are not for programs."""
    without: list[str] = []
    make = ItsmWorkflowError.__init__

    def watched(error: ItsmWorkflowError, message: str, **facts: object) -> None:
        make(error, message, **facts)
        path = facts.get("path")
        if isinstance(error, StorageError) and _FILE.search(message) and not (isinstance(path, str) and path):
            without.append(f"{message} ({facts})")

    monkeypatch.setattr(ItsmWorkflowError, "__init__", watched)
    yield
    assert without == []

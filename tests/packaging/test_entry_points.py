"""What the installed metadata promises can be loaded."""

from __future__ import annotations

import importlib.metadata

import pytest

DISTRIBUTION = importlib.metadata.distribution("itsm-workflow")


@pytest.mark.parametrize("entry", DISTRIBUTION.entry_points, ids=lambda entry: f"{entry.group}:{entry.name}")
def test_entry_point_loads_something_to_call(entry: importlib.metadata.EntryPoint) -> None:
    """Each entry point leads to a class or a function."""
    assert callable(entry.load())

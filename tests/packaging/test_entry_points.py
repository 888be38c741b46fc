"""What the installed metadata promises can be loaded."""

from __future__ import annotations

import importlib.metadata
from types import ModuleType

import pytest

DISTRIBUTION = importlib.metadata.distribution("itsm-workflow")


@pytest.mark.parametrize("entry", DISTRIBUTION.entry_points, ids=lambda entry: f"{entry.group}:{entry.name}")
def test_entry_point_loads_what_its_group_wants(entry: importlib.metadata.EntryPoint) -> None:
    """Each leads to a class or a function, but for pytest's, which leads to a module."""
    loaded = entry.load()
    assert isinstance(loaded, ModuleType) if entry.group == "pytest11" else callable(loaded)

"""Tests of the storage port, with which a backend shows that it keeps the port's promises.

A backend's own test file contains a subclass and one fixture::

    from functools import partial

    import pytest
    from itsm_workflow.testing import StorageConformance

    from my_package import MyBackend


    class TestMyBackend(StorageConformance):
        abilities = MyBackend.abilities

        @pytest.fixture
        def open_backend(self, tmp_path):
            return partial(MyBackend, tmp_path / "store")

Without pytest: ``itsm-workflow storage check URL``, or `check_storage`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.testing.conformance._base import ABILITIES
from itsm_workflow.testing.conformance._check import PromiseOutcome, Result, StorageReport, check_storage
from itsm_workflow.testing.conformance._profiles import PROFILES, QUICK, THOROUGH, Profile

if TYPE_CHECKING:
    from itsm_workflow.testing.conformance._pytest import StorageConformance

__all__ = [
    "ABILITIES",
    "PROFILES",
    "QUICK",
    "THOROUGH",
    "Profile",
    "PromiseOutcome",
    "Result",
    "StorageConformance",
    "StorageReport",
    "check_storage",
]


def __getattr__(name: str) -> object:
    """Import the class for pytest when it is first used, since the rest works without pytest."""
    if name != "StorageConformance":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from itsm_workflow.testing.conformance._pytest import StorageConformance  # noqa: PLC0415  # see above

    return StorageConformance

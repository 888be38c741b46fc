"""The storage port as tests: what every backend runs to show that it keeps the port's promises.

A backend's own test file is a subclass and one fixture::

    from functools import partial

    import pytest
    from itsm_workflow.testing import StorageConformance

    from my_package import MyBackend


    class TestMyBackend(StorageConformance):
        abilities = MyBackend.abilities

        @pytest.fixture
        def open_backend(self, tmp_path):
            return partial(MyBackend, tmp_path / "store")
"""

from __future__ import annotations

from itsm_workflow.testing.conformance._kit import StorageConformance
from itsm_workflow.testing.conformance._report import broken_promises

__all__ = ["StorageConformance", "broken_promises"]

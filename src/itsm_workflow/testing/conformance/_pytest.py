"""The kit as a class of tests for pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow.testing.conformance._kit import Kit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.storage.protocol import StorageBackend


class StorageConformance(Kit):
    """Every promise of the storage port; a backend's test class is a subclass with one fixture, ``open_backend``.

    Attributes:
        abilities: What the backend declares, most simply ``MyBackend.abilities``; tests that need more are not part of
            the class. By default ``durable`` and ``multi_process``.
        profile: `QUICK`, which takes seconds, or `THOROUGH`, which takes minutes.
    """

    @pytest.fixture
    def open_backend(self) -> Callable[[], StorageBackend]:
        """Return a callable that opens the one store of this test anew; a subclass gives it.

        With the ability ``multi_process`` it must be picklable: other processes call it. Without ``durable`` it is
        called once in a test.
        """
        raise TypeError(f"{type(self).__name__} needs a fixture open_backend that returns a callable")

    @pytest.fixture
    def backend(self, open_backend: Callable[[], StorageBackend]) -> Iterator[StorageBackend]:
        """Open the store once, for the tests that need no more, and close it."""
        backend = open_backend()
        yield backend
        backend.close()

"""The kit as a class of tests for pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow.testing.conformance._kit import Kit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.storage.protocol import StorageBackend
    from itsm_workflow.testing.conformance._base import NotRun


class StorageConformance(Kit):
    """Every promise of the storage port; a backend's test class is a subclass with one fixture, ``open_backend``.

    Attributes:
        abilities: The declared abilities, for example ``MyBackend.abilities``; tests that need others are not in the
            class. By default ``durable`` and ``multi_process``.
        profile: `QUICK` or `THOROUGH`. On an idle machine a quick check takes from five seconds (a store in memory) to
            half a minute (files that are synced), a thorough one from two minutes to ten. One promise is tested after
            the other here, which takes longer.
    """

    def leave_out(self, missing: NotRun) -> None:
        """Skip a test that cannot be run here, with what is missing."""
        pytest.skip(str(missing))

    @pytest.fixture
    def open_backend(self) -> Callable[[], StorageBackend]:
        """Return a callable that opens the one store of this test; a subclass overrides this fixture.

        With the ability ``multi_process`` the callable must be picklable, since other processes call it. Without
        ``durable`` it is called once per test.
        """
        raise TypeError(f"{type(self).__name__} needs a fixture open_backend that returns a callable")

    @pytest.fixture
    def backend(self, open_backend: Callable[[], StorageBackend]) -> Iterator[StorageBackend]:
        """Open the store once, for the tests that need nothing else, and close it."""
        backend = open_backend()
        yield backend
        backend.close()

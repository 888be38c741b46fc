"""The kit without pytest: for a command that checks a backend, and for tests of the kit itself."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from itsm_workflow.testing.conformance._kit import StorageConformance

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.storage.protocol import StorageBackend


def broken_promises(
    new_store: Callable[[], Callable[[], StorageBackend]],
    *,
    abilities: frozenset[str] = frozenset(),
    only: str = "",
) -> dict[str, Exception]:
    """Run the kit and return what failed, by the name of the test.

    Args:
        new_store: Makes an empty store and returns the callable that opens it anew each time, as the fixture
            ``open_backend`` does. Called once for each test.
        abilities: What the backend claims.
        only: Run the tests whose name contains this.
    """
    kit = type("Kit", (StorageConformance,), {"abilities": abilities})
    broken: dict[str, Exception] = {}
    for name in sorted(dir(kit)):
        test = getattr(kit(), name)
        if not name.startswith("test_") or test is None or only not in name:
            continue
        open_backend = new_store()
        backend = open_backend() if "backend" in inspect.signature(test).parameters else None
        try:
            test(open_backend if backend is None else backend)
        except Exception as error:  # noqa: BLE001  # whatever a broken backend does
            broken[name] = error
        finally:
            if backend is not None:
                backend.close()
    return broken

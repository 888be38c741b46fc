"""What all parts of the kit share: the fixtures, the abilities, and the sentence that a failure quotes."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, ClassVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow.storage.protocol import StorageBackend

_QUOTED = re.compile(r'Port: "(.*)"\s*$', re.DOTALL)


def quoted(test: Callable[..., object]) -> str:
    """Return the sentence of the port that the test's docstring quotes, on one line."""
    found = _QUOTED.search(test.__doc__ or "")
    if found is None:
        raise TypeError(f"{test.__qualname__} quotes no sentence of the port")
    return " ".join(found[1].split())


def promise(*needs: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a test quote its sentence when it fails, and run only for backends that have these abilities."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        sentence = quoted(function)

        @functools.wraps(function)
        def test(*args: object, **kwargs: object) -> None:
            try:
                function(*args, **kwargs)
            except (Exception, pytest.fail.Exception) as error:
                error.add_note(f"A promise of the storage port is broken: {sentence}")
                raise

        test.needs = frozenset(needs)  # type: ignore[attr-defined]  # read by __init_subclass__ below
        return test

    return decorate


class Promises:
    """A part of the kit.

    Attributes:
        abilities: What the backend claims, see `itsm_workflow.storage.registry.OpenableBackend`. All there is, unless
            a subclass says less: then the tests that need more are not part of it.
    """

    abilities: ClassVar[frozenset[str]] = frozenset({"durable", "multi_process"})

    def __init_subclass__(cls) -> None:
        """Leave out what the backend does not claim."""
        super().__init_subclass__()
        for name in dir(cls):
            if not getattr(getattr(cls, name), "needs", frozenset()) <= cls.abilities:
                setattr(cls, name, None)

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

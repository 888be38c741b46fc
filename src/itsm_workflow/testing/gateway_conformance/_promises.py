"""The list of promises, to which each module of them adds its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.testing.gateway_conformance._trial import Trial

PROMISES: dict[str, Callable[[Trial], None]] = {}
"""By its sentence, the function that tests a promise on a ticket system without tickets."""


def promise(sentence: str) -> Callable[[Callable[[Trial], None]], Callable[[Trial], None]]:
    """Add a function to the list under a sentence."""

    def add(test: Callable[[Trial], None]) -> Callable[[Trial], None]:
        PROMISES[sentence] = test
        return test

    return add

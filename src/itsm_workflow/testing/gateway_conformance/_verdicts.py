"""The exceptions that end the test of a promise: it is broken, or it cannot be tested."""

from __future__ import annotations


class BrokenPromise(AssertionError):
    """A gateway did not keep a promise of the port."""


class UnusableIdentity(BrokenPromise):
    """A create answered with an id or a number that the library does not store, so most promises cannot be tested."""


class SkippedPromise(Exception):
    """A promise that cannot be tested on the ticket system. The message says why."""


def demand(condition: object, sentence: str) -> None:
    """Report a broken promise unless the condition is true."""
    if not condition:
        raise BrokenPromise(sentence)

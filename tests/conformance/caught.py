"""What is known about a broken backend: the promise that catches it, and what it would do to a user."""

from __future__ import annotations

import attrs


@attrs.frozen
class Caught:
    """How a broken backend is caught.

    Attributes:
        promise: The name of the promise of the kit that catches it.
        words: Words of the sentence of the port that is quoted then.
        harm: What the defect would do to a user, in one sentence.
        patience: Seconds after which a call is taken for blocked, if a blocked call is what shows the defect.
    """

    promise: str
    words: str
    harm: str
    patience: float | None = None

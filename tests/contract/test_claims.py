"""Every recording is read: each is claimed by a test of this folder."""

from __future__ import annotations

from tests.contract import test_callbacks, test_exchanges, test_series
from tests.support.recorded import recordings


def test_every_recording_is_claimed() -> None:
    """A file whose shape no test knows fails here, by name."""
    claimed = {
        recording.name
        for recording in (
            *test_exchanges.EXCHANGES,
            *test_callbacks.CALLBACKS,
            *test_callbacks.INSIDE,
            *test_series.OVERTAKING,
            *(recording for recording, _ in test_series.MATRIX),
            *(recording for recording, _ in test_series.REVIVED),
            *(recording for recording, _, _ in test_series.RACES),
        )
    }

    assert {recording.name for recording in recordings()} == claimed


def test_there_are_recordings() -> None:
    """With an empty folder every other test of this kind would pass."""
    assert len(recordings()) >= 230

"""The levels of thoroughness of the kit."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Profile:
    """The number of repetitions of each promise; more of them find rarer defects.

    Attributes:
        name: The name in a report.
        walks: Random walks.
        steps: Steps of each walk.
        rounds: Races between eight threads.
        writes: Writes of each racing process.
        kills: Processes that are killed, the first while idle and the others while writing.
        deaths: Lines inside a commit at which a process crashes; a commit has as many as it executes lines of Python.
        damages: Damaged places of a file.
        patience: Seconds after which a promise counts as broken because a call does not return.
    """

    name: str
    walks: int
    steps: int
    rounds: int
    writes: int
    kills: int
    deaths: int
    damages: int
    patience: float = 120.0


QUICK = Profile(name="quick", walks=12, steps=20, rounds=20, writes=25, kills=2, deaths=12, damages=24)
"""Seconds."""

THOROUGH = Profile(
    name="thorough", walks=100, steps=40, rounds=200, writes=150, kills=20, deaths=300, damages=1000, patience=3600
)
"""Takes minutes; for nightly runs, and before a release."""

PROFILES = {profile.name: profile for profile in (QUICK, THOROUGH)}

"""How thoroughly the kit looks."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Profile:
    """How often each promise is tried; more finds what is rarer.

    Attributes:
        name: What a report calls it.
        walks: Walks at random.
        steps: Steps of each walk.
        rounds: Races of eight threads.
        writes: Writes of each racing process.
        kills: Processes that are killed, the first at rest and the others in the midst of writing.
        deaths: Places inside a commit at which a process dies; the commit has as many as it has lines of Python.
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
"""Minutes: for the night, and before a release."""

PROFILES = {profile.name: profile for profile in (QUICK, THOROUGH)}

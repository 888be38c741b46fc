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
        commits: Commits to one change, one after the other.
        entries: Number of entries that the longest history exceeds.
        rest: Seconds after which data is read again, in case that it expires.
        pauses: Lines inside a commit at which a writer is stopped.
        pause: Seconds for which a writer is stopped while it keeps others waiting; longer than any lease of a backend.
        points: Calls at which an error is injected, for each promise about errors.
        every_fault: Whether every fault that suits a call is injected there, not only one.
        states: States of the files that a power cut could leave.
        patience: Seconds after which a call that has not returned is blocked; more if the first calls were slow.
    """

    name: str
    walks: int
    steps: int
    rounds: int
    writes: int
    kills: int
    deaths: int
    damages: int
    commits: int
    rest: float
    pauses: int
    pause: float
    points: int
    every_fault: bool = False
    states: int
    patience: float = 120.0
    entries: int = 1 << 15


QUICK = Profile(
    name="quick",
    walks=12,
    steps=20,
    rounds=20,
    writes=25,
    kills=2,
    deaths=12,
    damages=24,
    commits=1000,
    rest=3,
    pauses=12,
    pause=6,
    points=20,
    states=100,
)
"""For each change of a backend; `StorageConformance` says how long it takes."""

THOROUGH = Profile(
    name="thorough",
    walks=100,
    steps=40,
    rounds=200,
    writes=150,
    kills=20,
    deaths=300,
    damages=1000,
    commits=33_000,
    rest=90,
    pauses=60,
    pause=65,
    points=10_000,
    every_fault=True,
    states=10_000,
    entries=1 << 16,
)
"""For nightly runs, and before a release."""

PROFILES = {profile.name: profile for profile in (QUICK, THOROUGH)}

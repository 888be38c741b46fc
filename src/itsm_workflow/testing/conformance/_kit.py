"""The whole kit as one class, independent of any test runner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.testing.conformance._closing import ClosingPromises
from itsm_workflow.testing.conformance._commits import CommitPromises
from itsm_workflow.testing.conformance._crashing import CrashPromises
from itsm_workflow.testing.conformance._damage import DamagePromises
from itsm_workflow.testing.conformance._dying import DyingPromises
from itsm_workflow.testing.conformance._errors import ErrorPromises
from itsm_workflow.testing.conformance._filters import FilterPromises
from itsm_workflow.testing.conformance._finding import FindPromises
from itsm_workflow.testing.conformance._forking import ForkingPromises
from itsm_workflow.testing.conformance._histories import HistoryPromises
from itsm_workflow.testing.conformance._holding import HoldingPromises
from itsm_workflow.testing.conformance._interrupted_code import InterruptedCodePromises
from itsm_workflow.testing.conformance._interrupts import InterruptPromises
from itsm_workflow.testing.conformance._lasting import LastingPromises
from itsm_workflow.testing.conformance._machine import ModelPromises
from itsm_workflow.testing.conformance._many import ManyPromises
from itsm_workflow.testing.conformance._moving import MovingPromises
from itsm_workflow.testing.conformance._opposing import OpposingPromises
from itsm_workflow.testing.conformance._sharing import SharingPromises
from itsm_workflow.testing.conformance._sizes import SizePromises
from itsm_workflow.testing.conformance._spelling import SpellingPromises
from itsm_workflow.testing.conformance._stopping import StoppingPromises
from itsm_workflow.testing.conformance._taking_over import TakingOverPromises
from itsm_workflow.testing.conformance._values import ValuePromises

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.testing.conformance._base import Promises

GROUPS: Mapping[str, tuple[type[Promises], ...]] = {
    "commits": (CommitPromises, HoldingPromises, MovingPromises),
    "values": (ValuePromises, SpellingPromises),
    "sizes": (SizePromises, ManyPromises),
    "queries": (FindPromises, FilterPromises),
    "histories": (HistoryPromises,),
    "races": (SharingPromises, OpposingPromises, StoppingPromises, TakingOverPromises, ClosingPromises),
    "forks": (ForkingPromises,),
    "lasting": (LastingPromises,),
    "crashes": (DyingPromises, CrashPromises),
    "damage": (DamagePromises,),
    "errors": (ErrorPromises, InterruptPromises, InterruptedCodePromises),
    "walk": (ModelPromises,),
}
"""The parts of the kit by the name of their group."""


def group_of(method: str) -> str:
    """Return the group of a promise, by the name of its method."""
    return next(name for name, parts in GROUPS.items() if any(method in vars(part) for part in parts))


class Kit(
    CommitPromises,
    HoldingPromises,
    MovingPromises,
    OpposingPromises,  # early: other promises find such a deadlock by luck only, and each wait for its limit is long
    ValuePromises,
    SpellingPromises,
    SizePromises,
    ManyPromises,
    FindPromises,
    FilterPromises,
    HistoryPromises,
    SharingPromises,
    StoppingPromises,
    TakingOverPromises,
    ClosingPromises,
    ForkingPromises,
    LastingPromises,
    DyingPromises,
    DamagePromises,
    ErrorPromises,
    InterruptPromises,
    InterruptedCodePromises,
    CrashPromises,
    ModelPromises,
):
    """Every promise of the storage port, each a method whose name begins with ``test_``."""

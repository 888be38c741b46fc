"""Walks through every interleaving of host call, gateway answer, callback, reconcile step and crash, within bounds.

`explore` visits every world that one change can reach, or two changes of one subject, under the library's own rules,
table and due times. It checks the invariants in each world. It then follows each world to its end without further
faults, and checks that the end is right. It reports a violation with the shortest way to it. `itsm-workflow verify`
does this for the shipped workflow.

It needs no test tool and no gateway, and reads the clock only to measure its own run time.
"""

from __future__ import annotations

from itsm_workflow.testing.exploration.acts import Act, operator_acts
from itsm_workflow.testing.exploration.drain import ends_right
from itsm_workflow.testing.exploration.exploring import explore
from itsm_workflow.testing.exploration.invariants import INVARIANTS, Invariant, Sight
from itsm_workflow.testing.exploration.itsm import Filed
from itsm_workflow.testing.exploration.pair_invariants import PAIR_INVARIANTS, PairInvariant, PairSight
from itsm_workflow.testing.exploration.walk import Exploration, Violation
from itsm_workflow.testing.exploration.world import Bounds

__all__ = [
    "INVARIANTS",
    "PAIR_INVARIANTS",
    "Act",
    "Bounds",
    "Exploration",
    "Filed",
    "Invariant",
    "PairInvariant",
    "PairSight",
    "Sight",
    "Violation",
    "ends_right",
    "explore",
    "operator_acts",
]

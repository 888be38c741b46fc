"""Walks every interleaving of host call, gateway answer, callback, reconcile step and crash, within bounds.

`explore` goes to every world that one change can get into, with the library's own judgement, table and due rules. It
holds the invariants against each of them, and lets each run down to see that it ends right once faults stop. What it
finds it shows by the shortest way there. `itsm-workflow verify` does so for the workflow that is shipped.

It needs no test tool and no gateway, and it reads no clock but to tell how long it took.
"""

from __future__ import annotations

from itsm_workflow.testing.exploration.acts import Act, operator_acts
from itsm_workflow.testing.exploration.drain import ends_right
from itsm_workflow.testing.exploration.invariants import INVARIANTS, Invariant, Sight
from itsm_workflow.testing.exploration.walk import Exploration, Violation, explore
from itsm_workflow.testing.exploration.world import Bounds

__all__ = [
    "INVARIANTS",
    "Act",
    "Bounds",
    "Exploration",
    "Invariant",
    "Sight",
    "Violation",
    "ends_right",
    "explore",
    "operator_acts",
]

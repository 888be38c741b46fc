"""The judgement of the library, pure and total: `plan` names the one question to ask, `decide` what an answer means.

Neither does I/O, and neither writes: they return triggers with evidence, and the machine may still refuse these. Both
accept any change and any answer, however late, since answers overtake each other.
"""

from __future__ import annotations

from itsm_workflow.settle.deciding import decide
from itsm_workflow.settle.planning import effects_left, plan
from itsm_workflow.settle.questions import (
    Answer,
    Deliver,
    Lookup,
    LookupAnswer,
    Plan,
    Question,
    Read,
    ReadAnswer,
    Send,
    SendAnswer,
    Step,
    Sweep,
)

__all__ = [
    "Answer",
    "Deliver",
    "Lookup",
    "LookupAnswer",
    "Plan",
    "Question",
    "Read",
    "ReadAnswer",
    "Send",
    "SendAnswer",
    "Step",
    "Sweep",
    "decide",
    "effects_left",
    "plan",
]

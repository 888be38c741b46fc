"""The decisions of the library, as pure functions: `plan` returns the next question, `decide` the steps for an answer.

None of them does I/O. The steps are triggers with evidence, and the machine may still refuse these. Both functions
accept any change and any answer, however late, since answers may arrive out of order. `callbacks_arrive` decides how
often a pass looks.
"""

from __future__ import annotations

from itsm_workflow.settle.callback_arrival import callbacks_arrive
from itsm_workflow.settle.deciding import decide
from itsm_workflow.settle.foreseeing import foresee
from itsm_workflow.settle.planning import plan
from itsm_workflow.settle.questions import (
    Answer,
    Deliver,
    Leave,
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
    "Leave",
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
    "callbacks_arrive",
    "decide",
    "foresee",
    "plan",
]

"""Diagnose why filing, callbacks or the store do not work on this machine, and advise what to do.

Each module examines one subject: the settings, the connection to an address, the gateway, its refusals, the service,
the callback, or the store. `examine` runs all examinations in order and yields their findings.
"""

from __future__ import annotations

from itsm_workflow.doctor.examination import examine
from itsm_workflow.doctor.findings import Finding, Level

__all__ = ["Finding", "Level", "examine"]

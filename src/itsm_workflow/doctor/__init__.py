"""Finds out why filing, callbacks or the store do not work here, and what to do about it.

One module for each idea: what a finding is, the settings, the way to an address, the gateway, what its refusals mean,
the service, the callback, the store; `examine` asks them all in order.
"""

from __future__ import annotations

from itsm_workflow.doctor.examination import examine
from itsm_workflow.doctor.findings import Finding, Level

__all__ = ["Finding", "Level", "examine"]

"""Walks every interleaving of host call, gateway answer, callback, reconcile step and crash, within bounds."""

from __future__ import annotations

from itsm_workflow.testing.exploration.walk import Exploration, Finding, explore
from itsm_workflow.testing.exploration.world import Bounds

__all__ = ["Bounds", "Exploration", "Finding", "explore"]

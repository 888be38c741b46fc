"""The state machine: workflow definitions as data, the evidence of triggers, and the engine that fires triggers."""

from __future__ import annotations

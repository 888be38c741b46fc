"""The storage backends that ship with itsm-workflow, each found by its entry point and independent of the others."""

from __future__ import annotations

"""The management command of the app."""

from __future__ import annotations

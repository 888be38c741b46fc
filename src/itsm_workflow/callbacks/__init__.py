"""Inbound callbacks: authenticated by our own credential, believed in nothing else, kept as hints."""

from __future__ import annotations

"""Inbound callbacks: authenticated by the library's own credential, and stored as hints; the body is not trusted."""

from __future__ import annotations

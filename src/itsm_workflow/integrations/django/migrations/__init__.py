"""The migrations of the tables of the store ``django://``."""

from __future__ import annotations

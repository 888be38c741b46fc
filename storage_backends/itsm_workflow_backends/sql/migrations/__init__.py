"""The migrations, one module for each schema, named ``schema_<number>``.

New migrations are appended. An existing migration is never edited, because stores exist to which it was applied.
"""

from __future__ import annotations

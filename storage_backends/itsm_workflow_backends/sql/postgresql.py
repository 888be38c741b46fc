"""The entry point of ``postgresql://``, which names the extra if its packages are not installed."""

from __future__ import annotations

try:
    import psycopg  # noqa: F401  # SQLAlchemy would import it only with the first connection

    from itsm_workflow_backends.sql._backend import SQLBackend
except ImportError as error:
    raise ImportError(
        f"{error}: install the packages that it needs with `pip install 'itsm-workflow[postgres]'`"
    ) from error

__all__ = ["SQLBackend"]

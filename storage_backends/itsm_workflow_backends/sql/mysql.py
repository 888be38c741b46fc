"""The entry point of ``mysql://``, which names the extra if its packages are not installed."""

from __future__ import annotations

try:
    import pymysql  # type: ignore[import-untyped]  # noqa: F401  # only SQLAlchemy uses it, and untyped

    from itsm_workflow_backends.sql._backend import SQLBackend
except ImportError as error:
    raise ImportError(
        f"{error}: install the packages that it needs with `pip install 'itsm-workflow[mysql]'`"
    ) from error

__all__ = ["SQLBackend"]

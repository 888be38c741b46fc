"""The exit codes of the command, and the errors that lead to them."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from itsm_workflow.errors import (
    AmbiguousChange,
    DefinitionError,
    GatewayError,
    InvalidForm,
    ServiceNotFound,
    SettingsError,
    StorageConflict,
    StorageCorrupt,
    StorageError,
    StorageSchemaError,
    StorageUnavailable,
    WaitTimeout,
)

if TYPE_CHECKING:
    from itsm_workflow.errors import ItsmWorkflowError


class Exit(enum.IntEnum):
    """Exit codes."""

    DONE = 0
    FAILED = 1
    """The command found something, or the machine refused."""
    USAGE = 2
    """Wrong usage: arguments, settings, form."""
    GATEWAY = 3
    """The gateway could not be reached, or refused."""
    STORAGE = 4
    """The store could not be reached, or was written by a newer version."""
    PARTLY = 5
    """Done in part; the rest is tried again by a later pass. Or the change of a wait has not ended yet."""
    INTERRUPTED = 130


_CODES: tuple[tuple[type[ItsmWorkflowError], Exit], ...] = (
    (StorageConflict, Exit.FAILED),
    (StorageUnavailable, Exit.STORAGE),
    (StorageCorrupt, Exit.STORAGE),
    (StorageSchemaError, Exit.STORAGE),
    (StorageError, Exit.USAGE),  # any other of these: no backend has that scheme, or the URL is not valid for it
    (GatewayError, Exit.GATEWAY),
    (ServiceNotFound, Exit.GATEWAY),
    (SettingsError, Exit.USAGE),
    (DefinitionError, Exit.USAGE),
    (InvalidForm, Exit.USAGE),
    (AmbiguousChange, Exit.USAGE),
    (WaitTimeout, Exit.PARTLY),
)


def exit_of(error: ItsmWorkflowError) -> Exit:
    """Return the exit code that an error leads to."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.FAILED)

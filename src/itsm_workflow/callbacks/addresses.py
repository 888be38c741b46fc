"""The callback address that a request carries, made from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.callbacks.signer import callback_signer
from itsm_workflow.errors import SettingsError

if TYPE_CHECKING:
    from itsm_workflow.secrets import Secret
    from itsm_workflow.settings import Settings

_WITHOUT = (
    "set them to receive callbacks, or open the workflow with callbacks=False: then only reconcile finds out the "
    "decisions"
)


class CallbackAddresses:
    """Makes the callback addresses of one workflow's requests.

    Args:
        settings: The settings of the callback host and its keys; None if the workflow asks for no callbacks.
    """

    def __init__(self, settings: Settings | None) -> None:
        self._settings = settings
        self.signer = None if settings is None else callback_signer(settings)

    def check(self) -> None:
        """Check that an address can be made.

        Raises:
            SettingsError: The workflow asks for callbacks, and the callback host or its keys are missing.
        """
        if self._settings is not None and self.signer is None:
            try:
                self._settings.require("callback_host", "callback_keys")
            except SettingsError as error:
                raise SettingsError(f"{error}; {_WITHOUT}", problems=vars(error)["problems"]) from None

    def make(self, change_id: str, number: int) -> tuple[Secret | None, dict[str, Secret]]:
        """Return the URL for callbacks about an attempt, and the headers that the gateway sends with them.

        Returns:
            Two secrets; None and no headers if the workflow asks for no callbacks.

        Raises:
            SettingsError: As for `check`.
        """
        self.check()
        return (None, {}) if self.signer is None else self.signer.make(change_id, number)

"""The tables of the store ``django://``: the changes, and the entries of their histories.

The backend writes them. A host reads them through the workflow, which checks their digests; a row that is written by
other means is reported as damaged.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from itsm_workflow.integrations.django.fields import ExactCharField, ExactTextField
from itsm_workflow.storage.column_sizes import ENTRY_SIZES, ROW_SIZES


class Change(models.Model):
    """A change request, as `itsm_workflow.storage.protocol.Row` describes it."""

    id = ExactCharField(primary_key=True, max_length=ROW_SIZES["id"])
    workflow = ExactCharField(max_length=ROW_SIZES["workflow"])
    state = ExactCharField(_("state"), max_length=ROW_SIZES["state"])
    attention = ExactCharField(_("attention"), max_length=ROW_SIZES["attention"], null=True)
    version = models.BigIntegerField()
    seq = models.BigIntegerField()
    subject = ExactCharField(_("subject"), max_length=ROW_SIZES["subject"])
    open_subject = ExactCharField(max_length=ROW_SIZES["open_subject"], null=True)
    ticket_key = ExactCharField(max_length=ROW_SIZES["ticket_key"], null=True)
    ticket_sn = ExactCharField(_("ticket"), max_length=ROW_SIZES["ticket_sn"], null=True)
    submission = models.BigIntegerField(null=True)
    due_at = models.BigIntegerField(null=True)
    created_at = models.BigIntegerField()
    updated_at = models.BigIntegerField()
    form = ExactTextField()
    document = ExactTextField()

    class Meta:
        app_label = "itsm_workflow"
        verbose_name = _("change request")
        verbose_name_plural = _("change requests")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["open_subject"], name="itsm_change_open_subject"),
            models.UniqueConstraint(fields=["ticket_key"], name="itsm_change_ticket_key"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["ticket_sn"], name="itsm_change_ticket_sn"),
            models.Index(fields=["subject", "submission", "id"], name="itsm_change_subject"),
            models.Index(fields=["state", "id"], name="itsm_change_state"),
            models.Index(fields=["attention", "id"], name="itsm_change_attention"),
            models.Index(fields=["due_at", "id"], name="itsm_change_due_at"),
            models.Index(fields=["updated_at", "id"], name="itsm_change_updated_at"),
        ]

    def __str__(self) -> str:
        return f"{self.subject} ({self.id})"


class Entry(models.Model):
    """An entry of a history, as `itsm_workflow.storage.protocol.EntryRow` describes it."""

    id = models.BigAutoField(primary_key=True)
    change_id = ExactCharField(max_length=ENTRY_SIZES["change_id"])
    seq = models.BigIntegerField()
    at = models.BigIntegerField()
    trigger = ExactCharField(max_length=ENTRY_SIZES["trigger"])
    source = ExactCharField(max_length=ENTRY_SIZES["source"])
    dest = ExactCharField(max_length=ENTRY_SIZES["dest"])
    actor = ExactCharField(max_length=ENTRY_SIZES["actor"])
    document = ExactTextField()

    class Meta:
        app_label = "itsm_workflow"
        verbose_name = _("history entry")
        verbose_name_plural = _("history entries")
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["change_id", "seq"], name="itsm_entry_number")]

    def __str__(self) -> str:
        return f"{self.change_id} {self.seq} {self.trigger}"

"""The project's own table."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Collector(models.Model):
    """A collector of logs. It is created without being enabled; only the effect enables it."""

    name = models.SlugField(primary_key=True, max_length=40)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    enabled = models.BooleanField(default=False)
    runs = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.name)

    @property
    def subject(self) -> str:
        """The subject of the collector's changes."""
        return f"collector-{self.name}"

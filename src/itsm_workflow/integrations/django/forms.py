"""A form of Django with the eight fields of a collector's change request, for hosts that render pages themselves."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from itsm_workflow.errors import InvalidForm
from itsm_workflow.integrations.log_platform import CollectorForm


class CollectorRequestForm(forms.Form):
    """The eight fields of `CollectorForm`, with the log platform's labels and the same checks.

    After `is_valid`, ``form.cleaned_data["fields"]`` holds the fields for `Workflow.apply`.
    """

    expect_access_data = forms.DateField(label="期待接入日期", widget=forms.DateInput(attrs={"type": "date"}))
    single_log_size = forms.IntegerField(label="单条日志大小", help_text="bytes")
    single_host_peak = forms.IntegerField(label="单机流量峰值", help_text="KB/s")
    single_host_log_volume = forms.FloatField(label="单机增长日志量", help_text="GB/天")
    expect_host_size = forms.IntegerField(label="预计接入主机数", help_text="台")
    log_keep_days = forms.IntegerField(label="日志保留天数", help_text="天")
    hot_data_days = forms.IntegerField(label="热数据天数", help_text="天")
    apply_reason = forms.CharField(label="申请原因", widget=forms.Textarea)

    def clean(self) -> dict[str, Any]:
        """Check the fields as `CollectorForm` does, and report each problem at its field."""
        given: dict[str, Any] = dict(super().clean() or {})
        if self.errors:
            return given
        raw = {name: given[name] for name in self.base_fields}
        raw["expect_access_data"] = raw["expect_access_data"].isoformat()
        try:
            fields = CollectorForm.from_mapping(raw).fields()
        except InvalidForm as error:
            for field, _, rule in error.problems:
                self.add_error(field, ValidationError(rule, code="invalid"))
            return given
        return {**given, "fields": fields}

"""The routes of the app.

A project includes them below ``itsm/``, so that the callbacks arrive where the ticket system sends them::

    path("itsm/", include("itsm_workflow.integrations.django.urls"))
"""

from __future__ import annotations

from django.urls import path

from itsm_workflow.integrations.django import views

app_name = "itsm_workflow"
urlpatterns = [
    path("callback/<path:address>", views.callback, name="callback"),
    path("<slug:collector_config_id>/collect_itsm_status/", views.StatusView.as_view(), name="collect_itsm_status"),
    path("<slug:collector_config_id>/apply_itsm_ticket/", views.ApplyView.as_view(), name="apply_itsm_ticket"),
]

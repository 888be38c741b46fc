"""The routes of the project."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("itsm/", include("itsm_workflow.integrations.django.urls"))]

"""The routes of the project."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from tests.support.django_host import shop

urlpatterns = [
    path("admin/", admin.site.urls),
    path("itsm/", include("itsm_workflow.integrations.django.urls")),
    path("collectors/<int:number>/", shop.create),
]

"""The routes."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LoginView
from django.urls import include, path

from . import views

urlpatterns = [
    path("", views.index),
    path("collectors/<slug:name>", views.show, name="collector"),
    path("collectors/<slug:name>/collect", views.collect),
    path("login/", LoginView.as_view(template_name="shop/login.html")),
    path("admin/", admin.site.urls),
    path("itsm/", include("itsm_workflow.integrations.django.urls")),  # with the callback
]

"""The pages: the collectors with the form, and one collector with its change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_POST

from itsm_workflow.integrations import django as itsm

from .models import Collector

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

APPROVERS = ["bob"]


class Application(forms.Form):
    """The form that asks for a collector."""

    name = forms.SlugField(max_length=40)
    hosts = forms.IntegerField(min_value=1, max_value=1000)
    reason = forms.CharField()


@login_required
def index(request: HttpRequest) -> HttpResponse:
    """Show the collectors and the form, or file what the form asks for."""
    form = Application(request.POST or None)
    if form.is_valid():
        return redirect("collector", name=apply(request.user, **form.cleaned_data).name)
    shown = {"collectors": Collector.objects.order_by("name"), "form": form}
    return render(request, "shop/index.html", shown, status=400 if form.errors else 200)


@transaction.atomic
def apply(owner: object, *, name: str, hosts: int, reason: str) -> Collector:
    """Store the collector, which is not enabled, and the change that asks for it. It can be sent again.

    Both are stored in one transaction, or neither. The request to BK-ITSM is sent after the commit.
    """
    collector, _ = Collector.objects.get_or_create(name=name, defaults={"owner": owner})
    if collector.owner != owner:
        raise PermissionDenied
    itsm.get_workflow().apply(
        subject=collector.subject,
        title=f"Collect the logs of {name}",
        applicant=collector.owner.get_username(),
        approvers=APPROVERS,
        fields={"hosts": hosts, "reason": reason},
        send="on_commit",
    )
    return collector


@login_required
def show(request: HttpRequest, name: str) -> HttpResponse:
    """Show the collector, and where its change is."""
    collector, workflow = get_object_or_404(Collector, name=name), itsm.get_workflow()
    shown: dict[str, object] = {"collector": collector}
    if change := workflow.newest(collector.subject):
        shown["status"] = workflow.status(change.id)
        shown["why"] = workflow.why(change.id)
        shown["picture"] = mark_safe(workflow.graph(change.id).svg())  # noqa: S308 - its texts are escaped
    return render(request, "shop/collector.html", shown)


@login_required
@require_POST
def collect(request: HttpRequest, name: str) -> HttpResponse:  # noqa: ARG001 - every view has the request
    """Do the work, which needs the approval."""
    collector = get_object_or_404(Collector, name=name)
    itsm.get_workflow().require_approved(collector.subject)  # raises NotApproved
    Collector.objects.filter(name=name).update(runs=F("runs") + 1)
    return redirect("collector", name=name)

"""The files in the Chinese guide for Django and Celery are a project in which a change lives from start to end."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from itsm_workflow.sandbox import Sandbox
from tests.support.limits import PATIENCE

PAGE = Path(__file__).parents[2] / "docs" / "zh" / "django-celery.md"
LOGIN = """
from django.http import HttpResponseRedirect


class Login:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        return None if getattr(view, "login_exempt", False) else HttpResponseRedirect("/login/")
"""
"""A login middleware that lets a view pass by the attribute that the platform's framework reads."""
PROGRAM = """
from io import StringIO

import django
django.setup()

from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import setup_test_environment
setup_test_environment()

call_command("check", fail_level="WARNING", stdout=StringIO())
call_command("migrate", verbosity=0)
with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE shop_collector (name TEXT)")

client = Client(enforce_csrf_checks=True)
answer = client.post("/itsm/callback/01HY2V8Q0000000000000000AB/1/", b"{}", content_type="application/json")
assert answer.status_code == 401, answer.status_code
assert client.get("/itsm/42/collect_itsm_status/").status_code == 302

from itsm_workflow import NotApproved
from itsm_workflow.integrations.django import close_workflow, get_workflow
from shop import celery, collectors, itsm, services

with transaction.atomic():
    change = collectors.create_collector("nginx", "alice")
    assert change.state == "applying", change
change = get_workflow().get(change.id)
assert change.state == "pending", change
try:
    services.start("nginx")
except NotApproved:
    pass
else:
    raise AssertionError("the work was let through without an approval")

print(change.sn, flush=True)
input()  # until the ticket was approved
celery.app.conf.task_always_eager = True
celery.tasks.settle.delay(change.id)
(entry,) = celery.app.conf.beat_schedule.values()
celery.app.tasks[entry["task"]].delay(**entry["kwargs"])
services.start("nginx")
assert list(itsm.started.values()) == ["collector-nginx"], itsm.started
celery.tasks._close_workflow()
close_workflow()
"""


@pytest.mark.long
def test_a_change_lives_in_the_project_of_the_page(tmp_path: Path) -> None:
    """The checks find nothing, callbacks pass the login and the CSRF check, and the tasks bring a change to its end."""
    files = dict(re.findall(r"^```py\n# (\S+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
    files["shop/settings.py"] += 'MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware", "shop.login.Login"]\n'
    for name, text in {**files, "shop/login.py": LOGIN}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    with Sandbox(start_delay=0.0, decision_delay=0.0) as sandbox:
        variables = {
            "DJANGO_SETTINGS_MODULE": "shop.settings",
            "BKPAAS_APP_ID": "shop",
            "BKPAAS_APP_SECRET": "made-up-for-this-test",
            "BKAPP_ITSM_GATEWAY_URL": sandbox.url,
            "BKAPP_ITSM_FAST_APPROVAL": "true",
            "BKAPP_ITSM_CALLBACK_HOST": "http://127.0.0.1:9",
            "BKAPP_ITSM_CALLBACK_KEYS": "a-random-key-of-thirty-two-bytes-",
        }
        command = [sys.executable, "-W", "error", "-c", PROGRAM]
        with subprocess.Popen(
            command,
            cwd=tmp_path,
            env=os.environ | variables,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as project:
            assert project.stdout
            filed = project.stdout.readline().strip()
            if filed:  # otherwise the program has failed before
                ticket = sandbox.approve(filed)
                sandbox.wait(lambda ledger: ledger.by_id(ticket.id).ended)
            _, problem = project.communicate("\n", timeout=PATIENCE)
    assert (project.returncode, problem) == (0, "")

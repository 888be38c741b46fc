"""The settings of the project. Its database is a file of this process."""

from __future__ import annotations

import os
import tempfile

SECRET_KEY = "not-a-secret-of-a-test-project"
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
INSTALLED_APPS = ["itsm_workflow.integrations.django"]
MIDDLEWARE = [
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "tests.support.django_host.users.middleware",
]
ROOT_URLCONF = "tests.support.django_host.urls"
USE_TZ = True
FOLDER = os.environ.get("TEST_DJANGO_FOLDER") or tempfile.mkdtemp(prefix="itsm-django-")
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{FOLDER}/default.sqlite3", "ATOMIC_REQUESTS": True},
    "other": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{FOLDER}/other.sqlite3", "ATOMIC_REQUESTS": True},
}
ITSM_WORKFLOW = {"ARGUMENTS": "tests.support.django_host.itsm:arguments"}

"""A small project of Django that has the app, for tests: settings, routes, users, and a workflow of the test."""

from __future__ import annotations

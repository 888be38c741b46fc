"""The machine: workflows as data (definition, collector), what triggers bring (evidence), and the engine that fires."""

from __future__ import annotations

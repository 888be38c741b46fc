"""Programs of hosts and authors, checked by mypy and pyright as strictly as such programs may be, and not run.

A line with `type: ignore` shows a mistake that both checkers must report.
"""

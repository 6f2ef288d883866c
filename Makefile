# `make help` lists what there is. Everything runs in .venv, which is made from requirements.lock when that changes.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed-from-lock

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test quick faults lint format bench article peers audit lock clean

help: ## List these commands
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

setup: $(INSTALLED) ## Make .venv from the lock

demo: $(INSTALLED) ## Run the whole pipeline on the embedded data and print the metrics and the report's path
	$(BIN)/python -m pipelines.train

serve: $(INSTALLED) ## Serve search, classification and embedding of images on this machine, with a page
	$(BIN)/python -m serving

test: lint ## Run lint, types and tests, as CI does
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

quick: lint ## Run lint, types and the tests of the rooms that changed since the last commit
	$(BIN)/python -m pytest --quiet --numprocesses auto --dist loadfile -m "not slow" $$($(BIN)/python -m tests.changed)

faults: $(INSTALLED) ## Try every fault of tests/faults (takes hours) and write the records that docs/reliability.md shows
	$(BIN)/python -m pytest tests/faults --whole

lint: $(INSTALLED) ## Run ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED) ## Let ruff fix and format what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED) ## Measure the recipe of params.yaml over three seeds (takes minutes) and write the record to benchmarks/results
	$(BIN)/python -m benchmarks.recipe --seeds 0 1 2

article: $(INSTALLED) ## Measure BYOL beside what an article calls by that name (5 to 10 minutes); docs/article.md shows the results
	$(BIN)/python -m benchmarks.article --seeds 0 1 2 --epochs 20

peers: $(INSTALLED) ## Install lightly, which benchmarks.throughput measures against
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group peers

audit: ## Ask by pip-audit which of the locked packages have known vulnerabilities (needs a network)
	$(PYTHON) -m venv .venv/audit
	.venv/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	.venv/audit/bin/pip-audit --requirement requirements.lock --require-hashes --disable-pip

lock: ## Write requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-annotate --no-header --quiet --output-file requirements.lock

clean: ## Remove .venv and the caches of tools; keep data, models and DVC's cache
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache

$(INSTALLED): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is too old: Python 3.11 or later is needed; name one with: make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv .venv
	@# Constrained by itself: or pip takes what is asked for with extras, as sqlalchemy[asyncio], for not pinned.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes \
		--requirement requirements.lock --constraint requirements.lock
	@# On all cores, which pip does on one; a few modules are of other versions of Python and fail.
	@$(BIN)/python -m compileall -q -j 0 .venv/lib >/dev/null 2>&1 || true
	@touch $@

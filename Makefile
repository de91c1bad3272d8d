# OmniRoute. `make` lists what there is; every target sets up by itself.
SHELL := /bin/bash
BIN := .venv/bin
READY := .venv/.ready
TEST_WORKERS ?= 2
.DEFAULT_GOAL := help
.PHONY: help demo up test check bench format docs lock ci clean

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

$(READY): requirements/dev.txt requirements/uv.txt pyproject.toml .ci/setup
	@.ci/setup

demo: $(READY) ## 100,000 transfers while the database is killed, 2,000 payouts while rails fail, 200 collections
	@$(BIN)/omniroute demo

up: $(READY) ## A running system on an embedded PostgreSQL
	@$(BIN)/omniroute up

test: $(READY) ## The whole suite, on an embedded PostgreSQL (or on OMNIROUTE_TEST_DATABASE_URL)
	@.ci/clients
	@$(BIN)/pytest -n $(TEST_WORKERS) --dist loadfile $(PYTEST_ARGS)

check: $(READY) ## Format, lint, types, layers, generated documents; what CI checks
	$(BIN)/ruff format --check --quiet src tests bench
	$(BIN)/ruff check --quiet src tests bench
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/omniroute docs check

bench: $(READY) ## Measure, each figure beside a peer in the same run; writes bench/results/latest.json
	@$(BIN)/python -m bench

format: $(READY) ## Format the code and apply safe lint fixes
	$(BIN)/ruff format src tests bench
	$(BIN)/ruff check --fix src tests bench

docs: $(READY) ## Generate docs/errors.md, events.md, settings.md and openapi.json from the code
	$(BIN)/omniroute docs build

lock: $(READY) ## Resolve the dependencies again (versions only move when pyproject.toml asks)
	cd requirements && for set in "runtime.txt" "dev.txt --extra dev"; do \
		../$(BIN)/uv pip compile ../pyproject.toml --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet -o $$set; \
	done && echo uv | ../$(BIN)/uv pip compile - --python-version 3.11 --constraint dev.txt --generate-hashes --no-header --no-annotate --quiet -o uv.txt

ci: ## Everything CI runs, on two PostgreSQL versions
	@.ci/run

clean: ## Forget the environment and caches (data in var/ stays)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

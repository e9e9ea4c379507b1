# Everything starts here: `make demo`, `make test`. Installs go into .venv, versions are those of constraints.txt.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
INSTALLED := $(VENV)/.installed
RUN := PATH="$(CURDIR)/$(VENV)/bin:$$PATH"

# Your own images: make demo DATA=photos [CURATED="trusted more-trusted"]. Empty: what params.yaml says.
DATA ?=
CURATED ?=
# Of the slow tests; empty: all.
TESTS ?=

.PHONY: demo up test test-slow lint k8s-check install clean help

help: ## this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

demo: $(INSTALLED) ## photographs in, registered backbones out; DATA=folder takes your own images
ifneq ($(strip $(DATA)$(CURATED)),)
	@test -n "$(strip $(DATA))" || { echo "CURATED needs DATA, the folder of uncurated images"; exit 2; }
	@$(RUN) dinov2 adopt "$(DATA)" $(CURATED)
endif
	@$(RUN) dinov2 scan
	@$(RUN) python -m flows.pipeline

up: $(INSTALLED) ## the Prefect and MLflow servers, and a worker that serves the deployments
	@$(RUN) exec python -m flows.up

test: $(INSTALLED) ## the fast tests, minutes
	@$(RUN) pytest -m "not slow"

test-slow: $(INSTALLED) ## whole pipelines, servers and faults; TESTS=folders takes some
	@$(RUN) pytest -m slow $(TESTS)

lint: $(INSTALLED) ## ruff and mypy
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy

k8s-check: $(INSTALLED) ## the manifests in k8s/, rendered and validated
	@$(RUN) python -m k8s.check

install: $(INSTALLED) ## the virtual environment

$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python"; exit 1; }
	@echo "Installing into $(VENV); the first time takes a few minutes"
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	@touch $@

clean: ## remove the virtual environment and caches; results stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

# Stages call `python` by name; it must be the environment's.
RUN = PATH="$(CURDIR)/$(BIN):$$PATH"

NEW_ENOUGH = $(shell $(PYTHON) -c 'import sys; print(sys.version_info >= (3, 11, 5))' 2>/dev/null)
REQUIRE_PYTHON = $(if $(filter True,$(NEW_ENOUGH)),,$(error '$(PYTHON)' is not Python 3.11.5 or newer, which the pinned packages need; \
name one that is: make PYTHON=python3.12 $(MAKECMDGOALS)))

.PHONY: help venv install repro test test-slow lint format lab report clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# torch first and alone: no other package's range can then choose another build of it.
$(STAMP): pyproject.toml constraints.txt
	$(REQUIRE_PYTHON)$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -c constraints.txt torch
	$(BIN)/python -m pip install -c constraints.txt -e '.[study,dev]'
	@touch $@

venv install: $(STAMP)
install: ## make .venv with the pinned packages

repro: $(STAMP) ## run the study: fetch, train, evaluate, report
	@$(RUN) $(BIN)/lmf doctor
	$(RUN) $(BIN)/dvc repro

report: $(STAMP) ## bring reports/ up to date with what it depends on
	$(RUN) $(BIN)/dvc repro report

lint: $(STAMP) ## ruff, import-linter and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

# Two workers of one thread each do not fight for the cores of a small machine.
test: lint ## linters and the fast tests: the gate for every change
	OMP_NUM_THREADS=1 $(RUN) $(BIN)/pytest -n 2 --dist loadfile

test-slow: $(STAMP) ## the slow tests
	$(RUN) $(BIN)/pytest -m slow --timeout 1800

format: $(STAMP) ## let ruff mend and format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lab: $(STAMP) ## open JupyterLab
	$(RUN) $(BIN)/jupyter lab

clean: ## remove caches and builds; .venv, data and results stay
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find lmf notebooks tests \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

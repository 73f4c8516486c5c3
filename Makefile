PYTHON ?= python3
VENV ?= .venv
EXPERIMENT ?= experiments/synthetic.yaml
JOBS ?= 2
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.installed

.PHONY: install test benchmark format

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt -e ".[dev]"
	touch $@

test: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2

benchmark: $(INSTALLED)
	$(BIN)/python -m experiments.prepare $(EXPERIMENT)
	$(BIN)/affect bench $(EXPERIMENT) --jobs $(JOBS)

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

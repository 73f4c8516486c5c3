PYTHON ?= python3
VENV ?= .venv
EXPERIMENT ?= experiments/synthetic.yaml
JOBS ?= 2
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.installed
OLDEST = $(VENV)-oldest
EXTRAS = text,baselines,mmsdk,parquet,media,report,completion,distributed,studies

.PHONY: install test test-oldest benchmark format

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

# warnings are no errors here: old releases warn of what newer Pythons and dependencies have renamed
test-oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/pytest -n 2 -W ignore tests/test_laws.py tests/test_training.py tests/training tests/runs tests/classes \
		tests/test_cli.py tests/test_wrong_commands.py tests/test_open.py tests/test_evaluation.py tests/test_python_face.py \
		tests/test_pretrained.py tests/data/test_text.py tests/report/test_studies.py \
		tests/data/sources/test_computational_sequences.py tests/data/sources/tables tests/test_spreadsheets.py

$(OLDEST)/.installed: pyproject.toml constraints-oldest.txt
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/pip install --quiet -c constraints-oldest.txt -e ".[$(EXTRAS)]" hypothesis pytest pytest-xdist
	touch $@

benchmark: $(INSTALLED)
	$(BIN)/python -m experiments.prepare $(EXPERIMENT)
	$(BIN)/affect bench $(EXPERIMENT) --jobs $(JOBS)

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

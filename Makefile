# The commands of the README. Everything runs in the virtual environment .venv, which is made on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
QUICKSTART := outputs/quickstart
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: quickstart test slow lint bench clean

quickstart: $(VENV)/installed
	rm -rf $(QUICKSTART)
	$(BIN)/pixelbytes quickstart --out $(QUICKSTART)

test: $(VENV)/installed-test
	$(BIN)/python -m pytest

slow: $(VENV)/installed-test
	$(BIN)/python -m pytest -m "slow and not gpu"

lint: $(VENV)/installed-dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy pixelbytes_hf dataset_builder

bench: $(VENV)/installed-test
	$(BIN)/python -m benchmarks

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: setup.cfg constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@

$(VENV)/installed-dev: $(VENV)/installed-test
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) outputs build *.egg-info

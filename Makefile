# The commands of the README. Everything runs in the virtual environment .venv, which is made on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
QUICKSTART := outputs/quickstart
NEWEST := transformers datasets huggingface-hub pillow numpy gradio
POKEAPI ?= ../shared/data/pokeapi
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: quickstart test slow index newest lint bench protocol fuzz mutants clean

quickstart: $(VENV)/installed
	rm -rf $(QUICKSTART)
	$(BIN)/pixelbytes quickstart --out $(QUICKSTART)

test: $(VENV)/installed-test
	$(BIN)/python -m pytest

slow: $(VENV)/installed-test
	$(BIN)/python -m pytest -m slow

# slow tests in virtual environments of their own, made from the package index; skipped where none is reached
index: $(VENV)/installed-test
	$(BIN)/python -m pytest -m slow tests/dataset_builder/test_classic_script.py tests/publishing/test_wheel.py \
	  tests/models/test_transformers_mixins.py

# the default tests with the newest releases of what changes most, past the ranges of setup.cfg too: it says what the
# next ranges need, and never fails
newest:
	rm -rf $(VENV)-newest
	$(PYTHON) -m venv $(VENV)-newest
	grep "^torch==" constraints.txt > $(VENV)-newest/constraints.txt
	$(VENV)-newest/bin/pip install --quiet --constraint $(VENV)-newest/constraints.txt --editable ".[test]"
	$(VENV)-newest/bin/pip install --quiet --constraint $(VENV)-newest/constraints.txt --upgrade $(NEWEST)
	$(VENV)-newest/bin/pip list
	-$(VENV)-newest/bin/python -m pytest

lint: $(VENV)/installed-dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/installed-test
	$(BIN)/python benchmarks/windows.py
	$(BIN)/python benchmarks/training_step.py
	$(BIN)/python benchmarks/generation.py --growth
	$(BIN)/python benchmarks/mixers.py
	$(BIN)/python benchmarks/codecs.py
	$(BIN)/python benchmarks/tokenization.py --source $(POKEAPI)
	$(BIN)/python benchmarks/baselines_sprites.py --source $(POKEAPI) --draws 6

protocol: $(VENV)/installed-test
	for recipe in "predictive preset" "autoregressive preset" "predictive tuned"; do set -- $$recipe; \
	  $(BIN)/python benchmarks/protocol_r1.py --preset paper-lstm-$$1 --recipe $$2 --seeds 0 1 2 || exit 1; done

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

# what `make test` does to odd inputs 5,000 times, more often
fuzz: $(VENV)/installed-test
	PIXELBYTES_FUZZ=100000 $(BIN)/python -m pytest tests/fuzz

# every change of a line that must not go unnoticed, made in a copy of the tree, and the test that notices it
mutants: $(VENV)/installed-test
	$(BIN)/python tests/mutants.py

clean:
	rm -rf $(VENV) $(VENV)-newest outputs build *.egg-info

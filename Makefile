# make demo: simulate a company, run the study, leave reports/demo. make test: every check.
# make bench: what a study, the window join, a regression, purchase models, hazards and scoring cost. make truth: the
# known-truth study, about an hour on two cores; killed, it goes on where it stopped.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo test test-slow bench truth lint clean

demo: $(VENV)/.demo
	$(BIN)/cxmodel demo --out reports/demo

test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" --doctest-modules

test-slow: $(STAMP)
	$(BIN)/python -m pytest -n 2 -m slow

bench: $(STAMP)
	$(BIN)/python benchmarks/run_study.py
	$(BIN)/python benchmarks/window_join.py
	$(BIN)/python benchmarks/lift.py --rows 1000000
	$(BIN)/python benchmarks/cltv.py --quick

truth: $(STAMP)
	$(BIN)/python -m benchmarks.truth --processes 2

lint: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) reports/demo .pytest_cache .mypy_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("cxmodel needs Python 3.11 or later; set PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

# The demo needs the package alone; the checks need the tools of development as well.
$(VENV)/.demo: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(STAMP): $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/.demo

# Plain `make` lists the targets.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
TYPED := $(VENV)/typed/motionpipe

.DEFAULT_GOAL := help
.PHONY: help setup demo test fmt check types bench

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(VENV)/.installed ## create .venv and install the pinned dependencies

# torch comes first and alone, so that no other package chooses a build of it
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "motionpipe needs Python 3.11 or newer: make PYTHON=python3.11 …")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup ## the whole chain on a generated set; ends with the path of a report
	$(BIN)/motionpipe demo

test: setup ## all tests; those on real data need MOTIONPIPE_TEST_DATA
	$(BIN)/python -m pytest

fmt: setup ## format and sort imports
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: setup types ## format, lint, types and the fast tests, under a minute
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -q -m 'not slow and not ray'

# mypy wants a folder named as the package is: a link gives it one, whatever this clone is called
types: setup
	mkdir -p $(dir $(TYPED)) && ln -sfn $(CURDIR) $(TYPED)
	MYPYPATH=$(dir $(TYPED)) $(BIN)/mypy $(addprefix -p motionpipe.,schemas models pipeline jobs) -p motionpipe

bench: setup ## benchmarks, all or `make bench AREA=ingest`; one JSON line a figure
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	@for file in benchmarks/bench_$(or $(AREA),*).py; do $(BIN)/python $$file || exit 1; done

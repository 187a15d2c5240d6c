# `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help train mnist gradcheck test lint format clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

train: $(VENV)/installed  ## train and evaluate; needs no network but a package index
	$(BIN)/mlp train --hidden 100 --reg 1e-3
	$(BIN)/mlp evaluate model.npz

mnist: $(VENV)/installed  ## the same on MNIST, downloaded first
	$(BIN)/mlp download mnist
	$(BIN)/mlp train --config configs/mnist.toml --output mnist.npz
	$(BIN)/mlp evaluate mnist.npz

gradcheck: $(VENV)/installed  ## prove the gradients of a 784-100-10 network
	$(BIN)/mlp gradcheck --hidden 100

test: lint  ## lint, then all tests
	$(BIN)/pytest -n 2

lint: $(VENV)/installed-dev  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed-dev  ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove what make and the tools made; models stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mlp needs Python 3.11 or newer; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,report]'
	@touch $@ $(VENV)/installed

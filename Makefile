# make train       set up and train the default model on the bundled corpus, ending with a sample
# make test        lint, types and every test; those of kernels a second time as on a processor without AVX-512
# make test-fast   the unit tests, in under a minute
# make lint, types  the style and the types alone
# make cover       which lines the unit tests reach, as htmlcov/index.html
# make docs        the documentation as a site, site/index.html; make docs-serve shows it while you edit
# make browser     Playwright for the tests of the living page, which also need Node and Debian's chromium
# make extras      the packages of the extras that some tests need; without them, those tests are skipped
# make bench       how fast everything is beside plain torch, and beside what docs/benchmarks.md says; leave the machine alone
# A second call does no set-up work again: the stamps below are newer than what they depend on.

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# What torch's kernels may use on a processor without AVX-512 and bfloat16. It is read when torch is imported.
OLDER := ONEDNN_MAX_CPU_ISA=AVX2 DNNL_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 \
	FBGEMM_ENABLE_INSTRUCTIONS=AVX2
KERNELS := tests/cells tests/models/test_recurrence.py tests/training/test_precision.py tests/training/test_soap.py \
	tests/test_decoding.py

UNITS := tests/baselines tests/cells tests/config tests/data tests/inspection tests/metrics tests/models \
	tests/tasks tests/test_decoding.py tests/test_intervals.py tests/test_layers.py tests/test_openmp.py \
	tests/test_shell.py tests/test_statistics.py tests/test_step_grammar.py tests/test_storage.py \
	--ignore tests/data/test_prepared_table.py

.PHONY: help train test test-fast bench lint types cover docs docs-serve browser extras clean

help:
	@sed -n 's/^# make /  make /p' Makefile

train: .venv/.installed
	$(BIN)/lstmctl train
	@printf '\nA sample:\n\n'
	@$(BIN)/lstmctl generate --prompt 'I grew up in ' --length 400 --temperature 0.6

test: lint types
	$(BIN)/python -m pytest -n 2 --dist worksteal
	$(OLDER) $(BIN)/python -m pytest -n 2 $(KERNELS)

test-fast: .venv/.development
	$(BIN)/python -m pytest -n 2 --dist worksteal $(UNITS)

bench: .venv/.installed
	$(BIN)/python benchmarks/speed.py

cover: .venv/.development
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov=lstmctl --cov-report=html --cov-report=term:skip-covered $(UNITS)

docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

docs-serve: .venv/.docs
	$(BIN)/mkdocs serve

lint: .venv/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.development
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32  # finds what Windows lacks

browser: .venv/browser/node_modules/playwright-core

.venv/browser/node_modules/playwright-core: | .venv/bin/python
	npm install --silent --no-fund --no-audit --prefix .venv/browser playwright-core@1

extras: .venv/.extras

.venv/bin/python:
	$(PYTHON) -m venv .venv

# torch first and by its pinned version alone, so that no resolver weighs other builds of it.
.venv/.installed: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) "$$(grep '^torch==' constraints.txt)"
	$(INSTALL) -e .
	touch $@

.venv/.development: .venv/.installed
	$(INSTALL) -e '.[development]'
	touch $@

.venv/.extras: .venv/.installed
	$(INSTALL) -e '.[holidays,hub,onnx,search,track]'
	touch $@

.venv/.docs: .venv/.installed
	$(INSTALL) -e '.[docs]'
	touch $@

clean:
	rm -rf .venv site .mypy_cache .pytest_cache .ruff_cache

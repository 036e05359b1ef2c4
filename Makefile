# The two commands: `make up` (serve) and `make test` (every test). `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
PARTS := runtime corpus segment seahelm score cluster eval train tests
LOCKS := $(foreach part,$(PARTS),requirements/$(part).txt)
ARGS ?=

.PHONY: help up dev test check bench soak lock clean
.DEFAULT_GOAL := help

help:
	@echo "make up      install the runtime, take the base, serve on 127.0.0.1:8765 (ARGS=\"--guard block\" …)"
	@echo "make test    install everything, run every test"
	@echo "make dev     install every part into $(VENV)"
	@echo "make check   lint, types, import contracts"
	@echo "make bench   the project's benchmarks; make soak: the long ones"
	@echo "make lock    resolve requirements/*.in again"

up: $(VENV)/.runtime
	@exec $(BIN)/rumpun up $(ARGS)

dev: $(VENV)/.dev

test: $(VENV)/.dev
	@sh scripts/system_packages.sh
	@$(MAKE) --no-print-directory $(VENV)/.icu
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not soak" $(ARGS)

# ICU has no wheel: it is built where its headers are, and its tests skip where they are not
$(VENV)/.icu: requirements/icu.txt | $(VENV)/.dev
	@if pkg-config --exists icu-i18n 2>/dev/null; then \
	  echo "building PyICU (one or two minutes)"; \
	  $(PIP) --no-build-isolation --require-hashes -r requirements/icu.txt && touch $@; \
	else echo "no ICU headers (libicu-dev): its tests skip"; fi

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev
	$(BIN)/python bench/all.py $(ARGS)

soak: $(VENV)/.dev
	$(BIN)/python -m pytest -m soak $(ARGS)

lock:
	$(PYTHON) scripts/lock.py

clean:
	rm -rf $(VENV) build dist src/*.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "rumpun needs Python 3.11 or later; name one: make up PYTHON=python3.11" >&2; exit 5; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/build.txt requirements/runtime.txt pyproject.toml | $(BIN)/python
	@echo "installing the runtime into $(VENV) (about 100 MB to download)"
	$(PIP) --no-cache-dir --require-hashes -r requirements/build.txt -r requirements/runtime.txt
	$(PIP) --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements/build.txt $(LOCKS) pyproject.toml | $(BIN)/python
	@echo "installing every part into $(VENV) (about 400 MB to download)"
	$(PIP) --require-hashes -r requirements/build.txt $(foreach lock,$(LOCKS),-r $(lock))
	$(PIP) --no-build-isolation --no-deps -e .
	@touch $(VENV)/.runtime $@

# make demo   install closecast into .venv and tell the whole story on real prices
# make test   install what the tests need and run every test and check
#
# Needs python3 (3.11 or newer) with pip. `make demo PYTHON=python3.12` picks another.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NATIVE := CMakeLists.txt $(wildcard src/closecast/engine/native/*.?pp)
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: demo test
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/closecast demo --out closecast-demo

test: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports --no-cache
	$(BIN)/interrogate --quiet src
	$(BIN)/codespell
	$(BIN)/pytest -n 2

# Both installs are editable, so that neither target ever runs an older copy of src.
$(VENV)/.installed: pyproject.toml $(NATIVE) $(VENV)/.made
	@echo "Installing closecast into $(VENV) (only when pyproject.toml or the C++ changed)"
	$(PIP) install --editable '.[torch]'
	@touch $@

$(VENV)/.installed-test: pyproject.toml $(NATIVE) $(VENV)/.made
	@echo "Installing closecast and its tests into $(VENV) (only when pyproject.toml or the C++ changed)"
	$(PIP) install --editable '.[torch,test]'
	@touch $@ $(VENV)/.installed

# Some distributions split ensurepip from Python: then pip outside lends a hand.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "Expected Python 3.11 or newer, got " + sys.version + ". Use make PYTHON=...")'
	@$(PYTHON) -m venv $(VENV) >/dev/null || { \
	  $(PYTHON) -m venv --clear --without-pip $(VENV) && \
	  $(PYTHON) -m pip --quiet --python $(BIN)/python install pip; }
	@touch $@

# make demo   install closecast into .venv and tell the whole story on real prices
# make test   install what the tests need and run every test and check
# make docs   run the lessons and build the documentation into build/site
# make bench  measure everything that README and CHANGELOG quote of the engine: two hours
#             on two cores with nothing else to do
# make audit  licences, known holes and a bill of materials of all that is needed
# make locked install what the tests need from ci.lock, by hash, before make test
# make lock   pin and hash all of that anew, after a change of pyproject.toml
# make fuzz   feed every reader with two fuzzers, MINUTES each (30): eleven hours
# make mutants   change windows and evaluation a little, often: who notices? an hour
# make trust  try everything that could break it, and write docs/trust.md: eight hours
# make vendors   install the libraries of price vendors, each set apart, for the tests
#
# Needs python3 (3.11 or newer) with pip. `make demo PYTHON=python3.12` picks another.

PYTHON ?= python3
MINUTES ?= 30
VENV := .venv
BIN := $(VENV)/bin
NATIVE := CMakeLists.txt $(wildcard src/closecast/engine/native/*.?pp)
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

# What pyproject.toml's extras hold. pykrx needs pandas < 3, ccxt pins many versions:
# docs/decisions/0055.
VENDORS := 'yfinance>=1.7' 'finance-datareader>=0.9.202' 'ccxt>=4.5.90'
KRX := 'pykrx>=1.2.9'
PEERS := jax keras neuralforecast torch==2.13.0 'u8darts[torch]'

RESULTS := benchmarks/results
MEASURE := $(BIN)/python benchmarks

.PHONY: audit bench demo docs fuzz lock locked mutants test trust vendors
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/closecast demo --out closecast-demo

test: $(VENV)/.installed-test vendors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports --no-cache
	$(BIN)/interrogate --quiet src
	$(BIN)/typos
	$(BIN)/pytest -n 2

docs: $(VENV)/.installed-test
	$(BIN)/python scripts/build_docs.py

# Both installs are editable, so that neither target ever runs an older copy of src.
$(VENV)/.installed: pyproject.toml $(NATIVE) $(VENV)/.made
	@echo "Installing closecast into $(VENV) (only when pyproject.toml or the C++ changed)"
	$(PIP) install --editable '.[torch]'
	@touch $@

$(VENV)/.installed-test: pyproject.toml $(NATIVE) $(VENV)/.made
	@echo "Installing closecast and its tests into $(VENV) (only when pyproject.toml or the C++ changed)"
	$(PIP) install --editable '.[torch,test,docs]'
	@touch $@ $(VENV)/.installed

bench: $(VENV)/.installed-test .venv-bench/.installed
	$(MEASURE)/engine.py --out $(RESULTS)/engine.json
	$(MEASURE)/inference.py --out $(RESULTS)/inference.json
	$(MEASURE)/out_of_core.py --out $(RESULTS)/out_of_core.json
	$(MEASURE)/side_by_side.py --peers .venv-bench/bin/python \
	  --out $(RESULTS)/side_by_side.json
	$(MEASURE)/picture.py
	$(MEASURE)/targets.py

audit: $(VENV)/.installed-test vendors .venv-audit/.installed .venv-bench/.installed
	$(BIN)/python scripts/audit.py --tools .venv-audit/bin --out $(RESULTS)/audit.json \
	  --python $(BIN)/python .venv-vendors/bin/python .venv-krx/bin/python \
	  .venv-bench/bin/python .venv-audit/bin/python

# PyTorch is left to its pin in pyproject.toml: one index has its build for CUDA, with
# libraries of gigabytes, another one for CPUs, and their hashes differ.
lock: .venv-audit/.installed
	(head -n 2 ci.lock; .venv-audit/bin/uv pip compile pyproject.toml --extra torch \
	  --extra test --extra docs --generate-hashes --python-version 3.11 --no-annotate \
	  --no-header | awk '/^[a-z]/ { build = /^(torch=|nvidia-|cuda-)/ } !build' \
	  ) > ci.lock.new
	grep -q -- --hash=sha256: ci.lock.new
	mv ci.lock.new ci.lock

locked: $(VENV)/.made
	$(PIP) install --require-hashes --no-deps --requirement ci.lock

# A trial that finds something stops here; what has not run says so on the page.
trust: $(VENV)/.installed-test
	$(BIN)/python scripts/sanitize.py --out $(RESULTS)/sanitize.json
	$(MEASURE)/determinism.py --out $(RESULTS)/determinism.json
	$(MEASURE)/mutated_files.py --files 100000
	$(MEASURE)/mutated_models.py --out $(RESULTS)/mutated_models.json
	$(MEASURE)/hostile_requests.py --out $(RESULTS)/hostile_requests.json
	$(MEASURE)/model_kills.py --out $(RESULTS)/model_kills.json
	$(MEASURE)/store_crash.py --out $(RESULTS)/store_crash.json
	$(MEASURE)/daily_crash.py --kills 300 --out $(RESULTS)/daily_crash.json
	$(MEASURE)/serve_crash.py --kills 300 --out $(RESULTS)/serve_crash.json
	$(MEASURE)/sweep_kills.py --kills 300 --out $(RESULTS)/sweep_kills.json
	$(MEASURE)/bit_flips.py --out $(RESULTS)/bit_flips.json
	$(MEASURE)/faults.py --out $(RESULTS)/faults.json
	$(BIN)/python scripts/try_wheel.py --out $(RESULTS)/wheels.json \
	  --python python3.11 python3.12 python3.13
	$(BIN)/python scripts/try_wheel.py --without-compiler \
	  --out $(RESULTS)/wheel_portable.json
	$(MEASURE)/first_contact.py --out $(RESULTS)/first_contact.json
	$(BIN)/python scripts/measure_coverage.py
	$(MAKE) fuzz MINUTES=2
	$(MAKE) mutants
	$(MEASURE)/soak.py --out $(RESULTS)/soak.json
	-$(MAKE) audit
	$(BIN)/python scripts/write_trust.py

fuzz: $(VENV)/.installed-test
	$(PIP) install 'atheris>=3'
	$(BIN)/python scripts/fuzz.py --minutes $(MINUTES) --out $(RESULTS)/fuzz.json

mutants: $(VENV)/.installed-test
	$(BIN)/python scripts/mutate.py windows evaluation --known build/mutants.json \
		--out $(RESULTS)/mutants.json

vendors: .venv-vendors/.installed .venv-krx/.installed

.venv-audit/.installed: LIBRARIES := pip-audit cyclonedx-bom uv jupyterlab
.venv-bench/.installed: LIBRARIES := $(PEERS)
.venv-vendors/.installed: LIBRARIES := $(VENDORS)
.venv-krx/.installed: LIBRARIES := $(KRX)
.venv-audit/.installed .venv-bench/.installed .venv-vendors/.installed \
.venv-krx/.installed: Makefile $(VENV)/.made
	@echo "Installing other libraries into $(@D)"
	@$(BIN)/python -m venv --without-pip $(@D)
	$(BIN)/python -m pip --quiet --disable-pip-version-check --python $(@D)/bin/python \
	  install $(LIBRARIES)
	@touch $@

# Some distributions split ensurepip from Python: then pip outside lends a hand.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "Expected Python 3.11 or newer, got " + sys.version + ". Use make PYTHON=...")'
	@$(PYTHON) -m venv $(VENV) >/dev/null || { \
	  $(PYTHON) -m venv --clear --without-pip $(VENV) && \
	  $(PYTHON) -m pip --quiet --python $(BIN)/python install pip; }
	@touch $@

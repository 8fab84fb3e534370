# Two commands: `make demo` (set-up and the main job), `make test` (set-up and every check). Nothing is installed
# outside this folder: the environment is .venv, everything built is in build/.

PYTHON ?= python3
BIN := .venv/bin
DEMO_MODEL ?= llama-3.1-405b

.PHONY: help demo test lint types layering pytest bench peers picture clean

help:
	@echo "make demo   set up and compare eight chips on $(DEMO_MODEL): time, bytes, dollars"
	@echo "make test   set up and run lint, types, layering and tests"
	@echo "make bench  print how fast archsim is, as ratios"
	@echo "make peers  install SCALE-Sim in an environment of its own, build/peers: make bench compares with it"
	@echo "make clean  remove .venv and build/"

.venv/run.done: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "archsim needs Python 3.11 or newer; set PYTHON=... to one"; exit 2; }
	@$(PYTHON) -m venv .venv || { echo "python3 cannot make a virtual environment (on Debian: apt install python3-venv)"; exit 2; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/dev.done: .venv/run.done
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: .venv/run.done
	$(BIN)/archsim compare $(DEMO_MODEL) --out build/demo

test: lint types layering pytest

lint: .venv/dev.done
	$(BIN)/ruff check .

# The package is spread over archsim/, chips/ and models/; type and layer checkers want it in one place.
build/tree: .venv/dev.done
	@rm -rf build/tree && mkdir -p build/tree/archsim
	@ln -s "$(CURDIR)"/archsim/* "$(CURDIR)/chips" "$(CURDIR)/models" build/tree/archsim/

types: build/tree
	cd build/tree && MYPYPATH=. ../../$(BIN)/mypy --config-file ../../pyproject.toml -p archsim

layering: build/tree
	cd build/tree && PYTHONPATH=. ../../$(BIN)/lint-imports --config ../../pyproject.toml

pytest: .venv/dev.done
	$(BIN)/python -m pytest -n 2

picture: demo
	mkdir -p docs && cp build/demo/roofline.png build/demo/cost.png docs/

bench: .venv/dev.done
	$(BIN)/python tests/bench/speed.py
	$(BIN)/python tests/bench/systolic.py

# SCALE-Sim 3.0.0 fails with numpy 2.4 and later. Its environment is apart: nothing of it is imported by archsim.
peers: build/peers/done
build/peers/done:
	@rm -rf build/peers && mkdir -p build && $(PYTHON) -m venv build/peers
	build/peers/bin/python -m pip install --quiet --disable-pip-version-check 'scalesim==3.0.0' 'numpy<2.4'
	@touch $@

clean:
	rm -rf .venv build *.egg-info

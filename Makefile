# Two commands: `make demo` shows the main job, `make test` holds it to its word.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test ruff codespell mypy docs test-slow test-browser fuzz kill soak versions peers format clean

demo: $(VENV)/.ready
	$(BIN)/python -m experiments.compare --suite quick --agent --out results/demo

test: ruff codespell mypy
	$(BIN)/pytest -n 2

# These three are the hooks of .pre-commit-config.yaml too.
ruff: $(VENV)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

codespell: $(VENV)/.ready
	$(BIN)/codespell

mypy: $(VENV)/.ready
	$(BIN)/mypy

# The notebooks are executed, then the pages built, in build/site; nothing is fetched. To read them:
# python3 -m http.server --directory build/site
docs: $(VENV)/.ready
	rm -rf build/notebooks && mkdir -p build && cp -r docs/notebooks build/notebooks
	$(BIN)/pytest -m docs --nbmake --overwrite -n 2 build/notebooks
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	$(BIN)/pytest -m docs tests/test_docs.py

test-slow: $(VENV)/.ready
	$(BIN)/pytest -m slow

test-browser: $(VENV)/.ready
	$(BIN)/pytest -m browser

# Robustness: minutes to an hour each. `FUZZ_CASES=1000 make fuzz` tries so many; `pytest -m kill -k search` one workload.
fuzz: $(VENV)/.ready
	$(BIN)/pytest -m fuzz -n 2 -rP --capture=sys

kill: $(VENV)/.ready
	$(BIN)/pytest -m kill -n 2

soak: $(VENV)/.ready
	$(BIN)/pytest -m soak -n 2 -rP

versions: $(VENV)/.ready
	$(BIN)/nox

# Other people's tests with our learners: SB3_TESTS=stable-baselines3/tests make peers
peers: $(VENV)/.ready
	PYTHONPATH=. $(BIN)/python tests/peers/sb3.py

format: $(VENV)/.ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Set-up: made once, and again only when the project's own requirements change.
$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[all]'
	touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .nox

# Each target sets up all it needs, so `git clone` and one of these is enough. `make` lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test faults test-pythons check docs bench clean

# The Python that makes the environments: 3.11 or newer. Name another: make demo PYTHON=/path/to/python3
PYTHON ?=

BIN := .venv/bin
# Not compiled: of thousands of modules in the larger libraries few are ever imported.
PIP := -m pip install -qq --no-compile --disable-pip-version-check

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

demo: .venv/.demo ## train a small network on the digits data; inspect, verify and export its run
	@set -e; \
	run=$$($(BIN)/python examples/digits.py); \
	out=exports/$$(basename "$$run").parquet; \
	echo; echo "$$ runlog inspect $$run"; $(BIN)/runlog inspect "$$run"; \
	echo; echo "$$ runlog verify $$run"; $(BIN)/runlog verify "$$run"; \
	mkdir -p exports; rm -f "$$out"; \
	echo; echo "$$ runlog export $$run -o $$out"; $(BIN)/runlog export "$$run" -o "$$out"; \
	echo; echo "The run (one file):"; ls "$$run"/*.rlog | sed 's/^/  /'; \
	echo "Its Parquet file:"; echo "  $$out"

test: .venv/.dev ## run the tests, on two cores (RUNLOG_EFFORT=full for more, as CI; all for every bit)
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal

faults: .venv/.dev ## let every system call fail and the power go at every instant; writes docs/reliability.md
	@$(BIN)/python -m tests.faults --keep

test-pythons: .venv/.dev ## run them under each supported Python found, and with the oldest dependencies
	@$(BIN)/nox

check: .venv/.dev ## lint, formatting, types, and whether generated files are up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m spec.generate --verify
	$(BIN)/python -m runlog_cli.reference --verify
	$(BIN)/python -m fixtures.generate --verify
	$(BIN)/python -m benchmarks --check-docs
	$(BIN)/python -m tests.faults --verify

docs: .venv/.dev ## build the documentation: docs/_build/html/index.html
	$(BIN)/python -m docs.settings_page --verify
	$(BIN)/python -m sphinx -q -E -W --keep-going docs docs/_build/html

bench: .venv-bench/.ready ## compare with other trackers (an environment of its own; minutes)
	@.venv-bench/bin/python -m benchmarks
	@.venv-bench/bin/python -m benchmarks --write-readme

clean: ## remove the environments, caches and what the demo wrote
	rm -rf .venv .venv-bench .nox .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist docs/_build runs exports
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- environments: a stamp file is written once all before it has worked

define make_venv
@set -e; found=; \
for python in $(if $(PYTHON),"$(PYTHON)",python3 python3.13 python3.12 python3.11 python3.14); do \
  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
done; \
if [ -z "$$found" ]; then \
  echo "runlog needs Python 3.11 or newer, and $(or $(PYTHON),python3) is not that" \
       "($$($(or $(PYTHON),python3) --version 2>&1 | tail -n 1)). Name one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; \
  exit 1; \
fi; \
echo "Setting up $(@D) (once; about a minute) ..." >&2; \
"$$found" -m venv --clear $(@D)
endef

.venv/.created:
	$(make_venv)
	@touch $@

.venv/.demo: .venv/.created pyproject.toml
	@$(BIN)/python $(PIP) -e '.[demo]'
	@touch $@

.venv/.dev: .venv/.created pyproject.toml
	@$(BIN)/python $(PIP) -e '.[dev,integrations]'
	@touch .venv/.demo $@

.venv-bench/.created:
	$(make_venv)
	@touch $@

.venv-bench/.ready: .venv-bench/.created pyproject.toml benchmarks/requirements.txt
	@.venv-bench/bin/python $(subst --no-compile,,$(PIP)) -e . -r benchmarks/requirements.txt
	@touch $@

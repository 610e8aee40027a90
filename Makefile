# make            lists the targets
# make setup      everything into .venv (Linux; no ROS 2 needed, a sourced one is used)
# make demo       a drive through a hall and a real clip, without camera or robot; opens as build/demo/index.html
# Settings: make setup MTV_EXTRAS=... MTV_PYTHON=... MTV_ROS=... (see scripts/setup.sh); other targets keep the first and the last
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

MODEL ?= warehouse
IN_VENV := . scripts/env.sh &&
# $(call needs,MODULE,EXTRA): ends a target that a lean set-up has no packages for.
needs = @.venv/bin/python -c "import $(1)" 2>/dev/null || { echo "make $@: expected the extra '$(2)', .venv has [$$(cat .venv/mtv-extras)]; for everything: make setup MTV_EXTRAS=train,synth,replay,dev,docs" >&2; exit 1; }

.PHONY: help setup demo pictures test bench lint format docs colcon lock sbom clean distclean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z]+):.*## /make \1|/' | column -t -s '|'

setup: ## make .venv with everything, or bring it up to date
	@MTV_KEEP_EXTRAS=$(if $(filter setup,$(MAKECMDGOALS)),,yes) scripts/setup.sh

demo: setup ## run the demonstration (ARGS="..." is handed on)
	@$(IN_VENV) .venv/bin/python -m mtv_perception.demo $(ARGS)

pictures: setup ## make the pictures of the documentation again, each with the model's version in its caption
	@$(IN_VENV) .venv/bin/python tools/pictures/doc_pictures.py $(ARGS)

test: setup ## run the tests (ARGS="..." is handed to pytest)
	$(call needs,pytest,dev)
	@scripts/test.sh $(ARGS)

bench: setup ## measure the latency of MODEL=... (warehouse)
	@$(IN_VENV) .venv/bin/mtv bench --model "$(MODEL)" $(ARGS)

lint: setup ## ruff and mypy
	$(call needs,mypy,dev)
	@.venv/bin/ruff check . || { echo "ruff: see above; much of it is fixed by: .venv/bin/ruff check --fix ." >&2; exit 1; }
	@.venv/bin/mypy

format: setup ## sort imports and fix what ruff can fix
	@.venv/bin/ruff check --fix .

docs: setup ## build the documentation site into build/docs, warnings are errors
	$(call needs,sphinx,docs)
	@.venv/bin/python -m sphinx -q -W --keep-going -b html docs build/docs

colcon: setup ## build with colcon as on a robot, with and without --symlink-install
	@tools/colcon_check.sh

lock: ## write the hashed requirements again, from the versions in .venv
	@tools/lock.sh

sbom: ## write the bill of materials (CycloneDX) to build/sbom.json
	@python3 tools/sbom.py build/sbom.json

clean: ## remove what was built and cached, but keep .venv
	rm -rf build install log .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove .venv too
	rm -rf .venv

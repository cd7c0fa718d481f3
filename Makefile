# Everything a fresh machine needs. Two commands do all the set-up: `make serve` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
FONTS := /usr/share/fonts
DATASET := runs/glyphs.db

.PHONY: help serve develop test check format settings lock release fonts dataset train bundle benchmark benchmark-fonts \
	benchmark-serving benchmark-replicas clean

help:  ## List what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

# Each stamp file stands for an installed set of packages.
$(BIN)/python:
	$(PYTHON) -m venv .venv

.venv/.serving: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable .
	@touch $@

.venv/.developing: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable '.[train,tracing,dev]'
	@touch $@ .venv/.serving

serve: .venv/.serving  ## Set up (without torch) and serve the shipped model on port 8000
	$(BIN)/glyphery serve

develop: .venv/.developing  ## Set up with torch, for training and for the tests

test: .venv/.developing  ## Set up and run the tests
	$(BIN)/pytest

check: .venv/.developing  ## Lint, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.developing  ## Put every file into the house's form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

settings: .venv/.developing  ## Write docs/SETTINGS.md anew
	$(BIN)/python -m service.settings_table > docs/SETTINGS.md

# The package index is nobody's business but its user's: none gets into the files.
LOCK := $(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock"
ON_GPU := --python-platform x86_64-manylinux_2_28 --no-emit-package onnxruntime

lock: .venv/.releasing  ## Make requirements/*.txt anew; UPGRADE=--upgrade for the newest of everything
	$(LOCK) $(UPGRADE) --universal --extra tracing pyproject.toml --output-file requirements/cpu.txt
	$(LOCK) $(UPGRADE) $(ON_GPU) --extra tracing pyproject.toml requirements/gpu.in --output-file requirements/gpu.txt
	$(LOCK) $(UPGRADE) --universal requirements/build.in --output-file requirements/build.txt

.venv/.releasing: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable '.[release]'
	@touch $@ .venv/.serving

release: .venv/.releasing  ## Make wheel, sdist, lock file, software bill of materials and checksums in dist/
	scripts/release.sh $(BIN)/python

fonts:  ## Install the Debian font packages that training uses (as root)
	scripts/fonts.sh

dataset: .venv/.developing  ## Read the installed fonts into runs/glyphs.db
	$(BIN)/glyphery dataset build $(FONTS) --out $(DATASET)

# Two processes of one thread share a batch: a quarter faster than one of two threads.
train: .venv/.developing  ## Train the default model in two parts (resumes), about 95 minutes on two cores
	$(BIN)/glyphery train --dataset $(DATASET) --out runs/levit_128s --set devices=2
	$(BIN)/glyphery train --dataset $(DATASET) --preset continued --out runs/levit_128s-continued --set devices=2

bundle: .venv/.developing  ## Export the trained model with its index to runs/bundle, and measure it
	$(BIN)/glyphery export runs/levit_128s-continued --average runs/levit_128s --dataset $(DATASET) --out runs/bundle
	$(BIN)/glyphery export runs/bundle --broaden --dataset $(DATASET) --out runs/bundle
	$(BIN)/glyphery export runs/bundle --compact --dataset $(DATASET) --out runs/bundle
	$(BIN)/glyphery export runs/bundle --precision int8 --dataset $(DATASET) --out runs/bundle
	$(BIN)/glyphery index build runs/bundle --dataset $(DATASET)
	$(BIN)/glyphery evaluate runs/bundle --dataset $(DATASET) --record

benchmark: .venv/.developing  ## Measure speed, posted pictures, and the benchmark on validation
	$(BIN)/glyphery bench
	$(BIN)/python -m benchmarks.training --dataset $(DATASET)
	$(BIN)/python -m benchmarks.pictures --dataset $(DATASET)
	$(BIN)/python -m benchmarks.glyphs --dataset $(DATASET) --split validation

benchmark-serving: .venv/.developing  ## Measure the service beside its peers, which it installs (half an hour)
	$(BIN)/python -m benchmarks.serving --out runs/serving

benchmark-fonts: .venv/.developing  ## Put faults into validation fonts and count how many are found (five minutes)
	$(BIN)/python -m benchmarks.fonts --split validation --out runs/faults

benchmark-replicas: .venv/.developing  ## One replica on Ray beside two, and two of which one is lost (five minutes)
	$(BIN)/python -m benchmarks.replicas

clean:  ## Remove the environment and caches; runs/ stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info

# SPDX-License-Identifier: Apache-2.0
# make demo     install, generate a material over gRPC, leave maps and a picture in demo/
# make test     install, check style, types, contract and generated code, run the fast tests
# make gpu      the tests and the bench of a CUDA device, offline, within 8 minutes; make soak  the tests of faults with a soak of 5 minutes
# make api      the reference of the Python SDK, in .cache/api
# make check    the checks alone          make fast  the fast tests alone          make test-all    every test, slow and Blender ones included
TORCH ?= torch==2.13.0
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
PY = .venv/bin/python
FAST = not slow and not blender and not window and not node and not browser and not gpu

.PHONY: demo test fast test-all check api clean gpu soak

demo: .venv/installed-server
	.venv/bin/texgen generate --class brick --seed 7 --size 1024 --out demo --preview --force
	@echo "demo/brick_7_preview.png shows the material, lit and tiled 2 x 2"

# The checks run beside the tests, on the other core.
test: .venv/installed-test
	$(MAKE) -j2 check fast

# One thread for torch: the networks of the fast tests are too small for two, which wait for each other where others use the machine.
fast: .venv/installed-test
	OMP_NUM_THREADS=1 $(PY) -m pytest -q -m "$(FAST)"

test-all: check
	$(PY) -m pytest -q

gpu:
	$(PY) -m pytest -q -m gpu tests/gpu tests/texgen_server/backends
	$(PY) -m texgen bench gpu

soak: .venv/installed-test
	TEXGEN_SOAK_S=300 $(PY) -m pytest -q -s -m slow tests/texgen_server/rpc/test_faults.py

check: .venv/installed-test
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) protos/generate.py --check
	$(PY) docs/api/build.py .cache/api
	cd protos && ../.venv/bin/buf lint . && ../.venv/bin/buf breaking . --against released.binpb

api: .venv/installed-test
	$(PY) docs/api/build.py .cache/api

.venv/installed-server: pyproject.toml | .venv/bin/python
	$(PY) -m pip install -q -e ".[server]"
	touch $@

# grpcio-tools is pinned to the oldest release whose generated code every newer runtime imports; its own pin of protobuf is moot,
# as it only runs the compiler.
.venv/installed-test: pyproject.toml .venv/installed-server
	$(PY) -m pip install -q "$(TORCH)" -e ".[test]"
	$(PY) -m pip install -q --no-deps grpcio-tools==1.71.2
	touch $@

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "texgen needs Python 3.11 or newer: install one, or name it with make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv .venv || { rm -rf .venv; $(PYTHON) -m pip install -q --target .cache/virtualenv virtualenv && \
	  PYTHONPATH=.cache/virtualenv $(PYTHON) -m virtualenv -q .venv; }

clean:
	rm -rf .venv .cache demo build dist runs

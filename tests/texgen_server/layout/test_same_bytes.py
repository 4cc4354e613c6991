"""The same index maps on every machine: other kernels of BLAS, other instruction sets, any number
of threads.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

ROOT = Path(__file__).resolve().parents[3]
NO_FEATURES = " ".join(name for name in __cpu_dispatch__ if __cpu_features__[name])
PLACES = {
    "as it is": {},
    "Haswell kernels": {"OPENBLAS_CORETYPE": "Haswell"},
    "Prescott kernels": {"OPENBLAS_CORETYPE": "Prescott"},
    "baseline instructions": {"NPY_DISABLE_CPU_FEATURES": NO_FEATURES},
    "two threads": {"OPENBLAS_NUM_THREADS": "2"},
    "eight threads": {"OPENBLAS_NUM_THREADS": "8"},
}


def digest_at(place: str, *arguments: str) -> str:
    environment = {"OPENBLAS_NUM_THREADS": "1", **os.environ, **PLACES[place]}
    command = [sys.executable, "-m", "tests.texgen_server.layout.small", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(scope="module")
def here() -> str:
    return digest_at("as it is")


@pytest.mark.parametrize("place", [p for p in PLACES if p != "as it is"])
def test_the_same_bytes(here, place):
    assert digest_at(place) == here


def test_energies_in_floating_point_are_caught():
    """Were vectors and energies not whole numbers, this test would see it."""
    assert (
        len(
            {
                digest_at(place, "--floats")
                for place in ("as it is", "Haswell kernels", "Prescott kernels")
            }
        )
        > 1
    )

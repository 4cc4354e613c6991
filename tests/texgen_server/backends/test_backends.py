# SPDX-License-Identifier: Apache-2.0
"""The choice of a device, and what it says where a library is missing."""

from __future__ import annotations

import sys

import pytest

from texgen.errors import InvalidRequestError
from texgen_server import backends
from texgen_server.backends import device_names, load_backend

pytestmark = pytest.mark.held


def test_unknown_devices_are_refused(model, folder):
    with pytest.raises(InvalidRequestError, match="auto, cpu, openvino"):
        load_backend(model, "abacus", "auto", folder)


@pytest.mark.torch
def test_devices_of_several_kinds_are_refused():
    with pytest.raises(InvalidRequestError, match="several kinds"):
        device_names("openvino,torch")
    with pytest.raises(InvalidRequestError, match="cuda:N"):
        device_names("cuda:x")
    assert device_names("cuda:0, cuda:1") == ["cuda:0", "cuda:1"]


@pytest.fixture(autouse=True)
def _warn_again():
    """Forget the warnings that are given once per process."""
    backends._warn_of_unused_gpu.cache_clear()


def test_a_gpu_that_is_not_used_is_told_once_with_the_extra(monkeypatch, caplog):
    monkeypatch.setattr(backends, "_nvidia_driver", lambda: True)
    monkeypatch.setitem(sys.modules, "torch", None)
    for _ in range(3):
        assert backends.device_names("auto") == ["openvino"]
    (record,) = caplog.records
    assert "texgen[gpu]" in record.message


def test_without_openvino_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InvalidRequestError, match=r"texgen\[server\]"):
        backends.device_names("openvino")

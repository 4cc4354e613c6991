# SPDX-License-Identifier: Apache-2.0
"""Names of devices on the command line."""

from __future__ import annotations

import pytest
import torch

from texgen.errors import InvalidRequestError
from texgen_server.training.devices import evaluation_device, training_device


@pytest.fixture
def three_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)


def test_auto_takes_cuda_where_there_is_one(monkeypatch, three_gpus):
    assert training_device("auto") == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert training_device("auto") == torch.device("cpu")


@pytest.mark.usefixtures("three_gpus")
def test_each_rank_takes_a_device_of_its_own(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "2")
    assert training_device("cuda") == torch.device("cuda:2")
    assert training_device("cuda:1") == torch.device("cuda:1")
    assert training_device("cpu") == torch.device("cpu")


@pytest.mark.usefixtures("three_gpus")
@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cuda:", "cpu:0", "cuda:3", "openvino"])
def test_other_names_and_absent_devices_are_refused(name):
    with pytest.raises(InvalidRequestError, match="device"):
        training_device(name)


def test_engines_of_a_cpu_measure_on_the_cpu():
    assert {evaluation_device(n) for n in ("cpu", "openvino", "torch")} == {torch.device("cpu")}

# SPDX-License-Identifier: Apache-2.0
"""torch in a process that may be another program's."""

from __future__ import annotations

import os

import pytest
import torch

from texgen_server.process.torch_guest import VARIABLE, as_guest


def test_random_numbers_and_the_variable_are_restored_even_after_an_error(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    with pytest.raises(RuntimeError, match="on purpose"), as_guest():
        torch.rand(100)
        os.environ[VARIABLE] = "/somewhere"
        raise RuntimeError("on purpose")
    assert torch.equal(torch.rand(4), expected)
    assert VARIABLE not in os.environ


def test_a_variable_of_the_program_stays(monkeypatch):
    monkeypatch.setenv(VARIABLE, "/mine")
    with as_guest():
        pass
    assert os.environ[VARIABLE] == "/mine"

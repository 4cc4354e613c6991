# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of backends."""

from __future__ import annotations

import pytest

from texgen_server.registry import load_material


@pytest.fixture(scope="module")
def model(card):
    return load_material(card)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("graphs")

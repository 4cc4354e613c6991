# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from tests.texgen.provenance.signed_sets import ABOUT, samples, written
from texgen.files.material import sealed_contents


@pytest.fixture
def signed(tmp_path, signer):
    return written(tmp_path / "signed", sealed_contents(samples(), ABOUT, "set", signer))

# SPDX-License-Identifier: Apache-2.0
"""A run without pictures is refused."""

from __future__ import annotations

import pytest

from tests.texgen_server.training.codec.toys import CONFIG
from texgen.errors import InvalidRequestError
from texgen_server.training.codec.run import CodecTrainOptions, train_codec


def test_a_run_without_pictures_is_refused(tmp_path):
    with pytest.raises(InvalidRequestError, match="--pack"):
        train_codec(CodecTrainOptions(work=tmp_path), CONFIG)

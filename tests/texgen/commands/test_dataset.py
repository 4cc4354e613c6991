# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    "arguments",
    [
        ("--count", "0"),
        ("--classes", "wool"),
        ("--views", "99"),
        ("--spread", "2"),
        ("--shard", "0"),
        ("--jobs", "0"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(dataset, arguments):
    code, _, told, folder = dataset("--count", "2", *arguments)
    assert code == 2
    assert told.startswith("texgen: ")
    assert not folder.exists()

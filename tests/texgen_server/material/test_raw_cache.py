# SPDX-License-Identifier: Apache-2.0
"""The cache of raw maps."""

from __future__ import annotations

import numpy as np
import pytest

from texgen.maps import Encoding
from texgen_server.backends.torch_backend import TorchBackend
from texgen_server.material.postprocess import POSTPROCESS_CONTROLS
from texgen_server.material.raw_cache import RawMapCache, RawMaps


def test_where_only_the_finish_differs_the_network_is_not_asked_again_and_the_bytes_are_the_same(
    client, models, monkeypatch
):
    asked = []
    run = TorchBackend.run
    monkeypatch.setattr(
        TorchBackend,
        "run",
        lambda self, part, *a, **k: asked.append(part) or run(self, part, *a, **k),
    )
    card = next(c for c in client.list_models() if c.id == "material")
    late = {c.name: c.maximum for c in card.controls if c.post_process}
    assert set(late) == POSTPROCESS_CONTROLS
    early = {"regularity": 0.5, "moss": 0.7}
    with client.explore() as explorer:
        answers = iter(explorer)
        for values in ({}, late, early | late, early, late):
            asked.clear()
            explorer.send("bark", seed=9, size_px=(64, 64), controls=values)
            _, made = next(answers)
            assert bool(asked) == (values in ({}, early | late))
            assert (
                made.maps
                == client.generate(
                    "bark", seed=9, size_px=(64, 64), controls=values, encoding=Encoding.RAW
                ).maps
            )


def test_the_oldest_drawings_make_room():
    recent, one = (
        RawMapCache(3000),
        RawMaps(np.zeros((7, 6, 6), np.float32), np.ones(1, np.float32)),
    )
    for name in "aba":  # the one used last stays
        recent.put(name, one)
    recent.put("c", one)
    recent.put("huge", RawMaps(np.zeros((7, 16, 16), np.float32), one.reliefs))
    assert [name for name in ("a", "b", "c", "huge") if recent.get(name)] == ["a", "c"]
    with pytest.raises(ValueError, match="read-only"):
        one.raw[0] = 1.0

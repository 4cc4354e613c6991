# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from texgen.dataset.generate import generate_samples
from texgen.dataset.plan import choose_sample, make_plan
from texgen.errors import InvalidRequestError
from texgen.files.images import decode_png

CHOICES = {
    "count": 3,
    "size_px": 32,
    "seed": 5,
    "form": "folder",
    "views": 1,
    "shard": 10,
    "spread": 0.5,
}


def test_samples_come_in_their_order_with_maps_views_and_label(client):
    plan = make_plan(client.get_model(), [], balance=True, **CHOICES)
    samples = [choose_sample(plan, number) for number in range(plan.count)]
    results = list(generate_samples(client, plan, samples, jobs=2))
    labels = [json.loads(files["json"]) for files in results]
    assert [label["seed"] for label in labels] == [sample.seed for sample in samples]
    assert [label["class"] for label in labels] == [sample.class_name for sample in samples]
    assert set(labels[0]) >= {"recipe", "engine", "views", "exposure"}
    assert decode_png(results[0]["view0.png"]).shape == (32, 32, 3)
    assert decode_png(results[0]["height.png"]).shape == (32, 32, 1)


def test_the_first_error_ends_the_work(client):
    plan = make_plan(client.get_model(), [], balance=True, **CHOICES | {"size_px": 33})
    samples = [choose_sample(plan, number) for number in range(plan.count)]
    with pytest.raises(InvalidRequestError, match="multiple of"):
        list(generate_samples(client, plan, samples, jobs=2))

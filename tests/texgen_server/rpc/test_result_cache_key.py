# SPDX-License-Identifier: Apache-2.0
"""The key of a result in the cache."""

from __future__ import annotations

from dataclasses import replace

from texgen.maps import Encoding, MapKind
from texgen.recipes.build import make_recipe
from texgen_server.engine.jobs import MaterialJob
from texgen_server.material.canvas import Rectangle
from texgen_server.rpc import result_cache_key
from texgen_server.rpc.job_observer import JobObserver
from texgen_server.rpc.requests.order import Delivery, Order
from texgen_server.rpc.result_cache_key import result_key


def test_whatever_shapes_the_bytes_is_part_of_the_name(card):
    recipe = make_recipe(card, [("bark", 1.0)], 1, (64, 64))
    order = Order(
        MaterialJob(recipe), JobObserver(None), "tg1:x", Delivery([MapKind.AO], Encoding.PNG)
    )
    others = [
        replace(order, recipe_text="tg1:y"),
        replace(order, delivery=Delivery([MapKind.AO], Encoding.RAW)),
        replace(order, delivery=Delivery([MapKind.AO, MapKind.HEIGHT], Encoding.PNG)),
        replace(order, job=MaterialJob(recipe, endless=True)),
        replace(order, job=MaterialJob(recipe, rectangle=Rectangle(0, 0, 32, 32))),
    ]
    names = [result_key(o, card, "torch-cpu/f32") for o in (order, *others)]
    names += [
        result_key(order, card, "openvino-cpu/bf16"),
        result_key(order, replace(card, digest="0" * 64), "torch-cpu/f32"),
    ]
    assert len(set(names)) == len(names)
    assert result_key(order, card, "torch-cpu/f32") == names[0]
    assert result_key(replace(order, recipe_text=""), card, "torch-cpu/f32") == ""


def test_a_new_version_of_results_serves_none_of_the_old(card, monkeypatch):
    recipe = make_recipe(card, [("bark", 1.0)], 1, (64, 64))
    delivery = Delivery([MapKind.AO], Encoding.PNG)
    order = Order(MaterialJob(recipe), JobObserver(None), "tg1:x", delivery)
    key = result_key(order, card, "torch-cpu/f32")
    monkeypatch.setattr(result_cache_key, "RESULT_VERSION", result_cache_key.RESULT_VERSION - 1)
    assert result_key(order, card, "torch-cpu/f32") != key

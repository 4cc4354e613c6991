# SPDX-License-Identifier: Apache-2.0
"""Promises that hold for the shipped weights."""

from __future__ import annotations

import numpy as np
import pytest

from texgen import find_card
from texgen.maps import MapKind
from texgen.recipe import make_recipe
from texgen_server.backends.torch_backend import TorchBackend
from texgen_server.registry import load_material
from texgen_server.sampling import make_plan
from texgen_server.synthesis import Synthesis

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model():
    return load_material(find_card("material"))


@pytest.fixture(scope="module")
def backend(model):
    return TorchBackend(model, "cpu", "bf16")


def test_every_control_moves_what_it_names(model, backend):
    from texgen_server.training.evaluate_controls import MEASURES, evaluate_controls

    report = evaluate_controls(model, backend, ["brick", "rock", "bark", "wood", "gravel"])
    assert set(report) == {c.name for c in model.card.controls} - {"tile_size_m"}
    assert set(report) <= set(MEASURES)
    assert {name for name, found in report.items() if not found["monotonic"]} == set()


def test_three_controls_are_directions_of_the_latent_space(model):
    assert len(model.tables.directions) >= 3
    assert all(not next(c for c in model.card.controls if c.name == name).post_process for name in model.tables.directions)


def test_psi_zero_is_one_picture_whatever_the_seed(model, backend):
    made = []
    for seed in (1, 2, 3):
        recipe = make_recipe(model.card, [("concrete", 1.0)], seed, (128, 128), 0.0)
        made.append(Synthesis(backend, model.shape).maps(make_plan(recipe, model.tables, model.shape))[0][MapKind.BASECOLOR])
    assert np.array_equal(made[0], made[1])
    assert np.array_equal(made[0], made[2])


def test_every_class_has_phrases_and_every_material_words(model):
    import tomllib

    tags = tomllib.loads((model.card.folder / "tags.toml").read_text(encoding="utf-8"))
    assert set(tags["phrases"]) == set(model.card.class_names())
    assert set(tags["materials"]) == {m for c in model.card.classes for m in c.materials}

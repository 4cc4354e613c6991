# SPDX-License-Identifier: Apache-2.0
"""The two ways to the same network: torch, where it is trained, and OpenVINO's graphs built from
the weights. In float32 they agree to 1e-5."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.texgen_server.graphs.shapes import KINDS, estimator_shapes, material_shapes
from texgen import find_card
from texgen_server.backends.openvino_backend import OpenVinoBackend
from texgen_server.backends.torch_backend import TorchBackend
from texgen_server.networks.params import (
    COMPOSE_REACH_PX,
    CONDITIONING_CHANNELS,
    DETAIL_REACH_PX,
    PARTS,
    STYLES,
    UPSCALER_CHANNELS,
    environment_params,
    upscaler_params,
)
from texgen_server.registry import load_model

pytestmark = pytest.mark.held


SHIPPED = Path(__file__).parents[3] / "models"


def upscaler_shapes(network, part, batch, rows, columns):
    params, (name, _, scale) = upscaler_params(network), part.partition("_x")

    def maps(border_px, channels=UPSCALER_CHANNELS):
        return (batch, channels, 8 * rows + 2 * border_px, 8 * columns + 2 * border_px)

    made = [
        maps(COMPOSE_REACH_PX),
        maps(COMPOSE_REACH_PX, UPSCALER_CHANNELS * int(scale or 1) ** 2),
        maps(COMPOSE_REACH_PX),
    ]
    inputs = {
        "detail": [maps(params.halo_px)],
        "residual": [maps(params.halo_px - DETAIL_REACH_PX)],
        "compose": [maps(params.halo_px), *made],
    }
    return inputs[name]


def environment_shapes(network, part, batch, rows, columns):
    params = environment_params(network)

    def panoramas(channels):
        return [
            (batch, channels, params.layout_rows * 2**i, params.layout_rows * 2 ** (i + 1))
            for i in range(len(params.widths))
        ]

    plans, features = panoramas(CONDITIONING_CHANNELS), panoramas(params.widths[-1])[-1]
    codes, start = (batch, STYLES, params.code_dim), panoramas(params.noise_channels)[0]
    return {"trunk": [codes, start, *plans, *panoramas(1)], "head": [features, plans[-1]]}[part]


SHAPES = {
    "material": material_shapes,
    "upscaler": upscaler_shapes,
    "estimator": estimator_shapes,
    "environment": environment_shapes,
}


def check_alike(model, sizes):
    graphs, reference = OpenVinoBackend(model, "f32", None), TorchBackend(model, "cpu", "f32")
    rng = np.random.default_rng(5)
    for part in PARTS[model.card.kind]:
        for size in sizes:
            shapes = SHAPES[model.card.kind](model.card.network, part, *size)
            inputs = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
            ours, theirs = graphs.run(part, inputs), reference.run(part, inputs)
            assert len(ours) == len(theirs)
            for one, other in zip(ours, theirs, strict=True):
                assert one.shape == other.shape
                assert np.abs(one - other).max() <= 1e-5 * max(1.0, np.abs(other).max()), (
                    part,
                    size,
                )


@pytest.mark.parametrize("kind", KINDS)
def test_torch_and_the_graphs_agree(models, kind):
    check_alike(load_model(find_card(kind, models)), [(1, 2, 3), (2, 1, 1)])


@pytest.mark.parametrize("kind", KINDS)
def test_torch_and_the_graphs_agree_with_the_shipped_weights(kind):
    check_alike(load_model(find_card(kind, SHIPPED)), [(1, 1, 2)])


def test_weights_from_before_guides_run(models):
    model = load_model(find_card("material", models))
    check_alike(
        replace(model, weights={k: v for k, v in model.weights.items() if ".guide." not in k}),
        [(1, 2, 2)],
    )


def test_the_parts_are_those_of_the_table(models):
    from texgen_server.graphs import build_graphs
    from texgen_server.networks.torch_parts import build_parts

    for kind in KINDS:
        model = load_model(find_card(kind, models))
        for build in (build_graphs, build_parts):
            assert set(build(model.params, model.weights)) == set(PARTS[kind])

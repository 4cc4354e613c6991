# SPDX-License-Identifier: Apache-2.0
"""The two ways to the same network: torch, where it is trained, and OpenVINO's graphs built from
the weights. In float32 they agree to 1e-5.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from texgen import find_card
from texgen.errors import LoadError
from texgen_server.backends import load_backend
from texgen_server.backends.openvino_backend import OpenVinoBackend
from texgen_server.backends.torch_backend import TorchBackend
from texgen_server.networks.params import (
    COMPOSE_REACH_PX,
    CONDITIONING_CHANNELS,
    DETAIL_REACH_PX,
    ESTIMATOR_INPUTS,
    ESTIMATOR_OUTPUTS,
    PARTS,
    STYLES,
    UPSCALER_CHANNELS,
    environment_params,
    estimator_params,
    material_params,
    upscaler_params,
)
from texgen_server.registry import load_model

pytestmark = pytest.mark.held
SHIPPED = Path(__file__).parents[3] / "models"
KINDS = tuple(PARTS)


def material_shapes(network, part, batch, rows, columns):
    params = material_params(network)
    sizes = [(rows * 2**i, columns * 2**i) for i in range(params.levels)]
    fields = [(batch, n, *size) for n in (5, 1) for size in sizes]
    start, guide = (batch, params.noise_channels, rows, columns), (batch, 8, *sizes[-1])
    features = (batch, params.widths[-1], *sizes[-1])
    return {
        "mapping": [(batch, params.code_dim), (batch, 1)],
        "trunk": [(batch, params.levels, params.style_dim), start, guide, *fields],
        "painted_trunk": [
            (batch, 3, params.style_dim),
            start,
            guide,
            *fields,
            *[(batch, 3, *size) for size in sizes],
        ],
        "head": [features, (batch, 7, *sizes[-2])],
        "guided_head": [features, guide],
    }[part]


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


def estimator_shapes(network, part, batch, rows, columns):
    return [
        (batch, ESTIMATOR_INPUTS, 32 * rows, 32 * columns),
        (batch, estimator_params(network).classes),
    ]


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


@pytest.mark.parametrize("kind", KINDS)
def test_weights_that_do_not_fit_are_refused_alike(models, kind):
    model = load_model(find_card(kind, models))
    name = sorted(n for n in model.weights if ".guide." not in n)[0]
    wrong = {
        "missing": {k: v for k, v in model.weights.items() if k != name},
        "not": model.weights | {name: np.zeros((*model.weights[name].shape, 2), np.float32)},
        "called": model.weights | {"nobody.weight": np.zeros(1, np.float32)},
    }
    for word, weights in wrong.items():
        for backend in (OpenVinoBackend, TorchBackend):
            arguments = ("f32", None) if backend is OpenVinoBackend else ("cpu", "f32")
            with pytest.raises(LoadError, match="do not fit") as refused:
                backend(replace(model, weights=weights), *arguments)
            assert backend is TorchBackend or word in str(refused.value)


def test_weights_from_before_guides_run(models):
    model = load_model(find_card("material", models))
    check_alike(
        replace(model, weights={k: v for k, v in model.weights.items() if ".guide." not in k}),
        [(1, 2, 2)],
    )


@pytest.mark.parametrize("precision", ["f32", "auto"])
def test_a_graph_gives_the_same_bytes_built_and_kept(models, tmp_path, precision):
    """The first start builds, the second reads what was kept, the third has no folder."""
    model = load_model(find_card("material", models))
    inputs = [
        np.random.default_rng(1).standard_normal(s).astype(np.float32)
        for s in material_shapes(model.card.network, "trunk", 1, 3, 2)
    ]
    outputs = [
        load_backend(model, "openvino", precision, cache).run("trunk", inputs)
        for cache in (tmp_path, tmp_path, None)
    ]
    assert len(list(tmp_path.iterdir())) == 1, "one folder a model, and nothing half made"
    assert all(
        np.array_equal(a, b)
        for other in outputs[1:]
        for a, b in zip(outputs[0], other, strict=True)
    )


@pytest.mark.parametrize("damage", ["cut", "gone", "a file in its place"])
def test_damaged_graphs_are_built_anew(models, tmp_path, damage, caplog):
    model = load_model(find_card("estimator", models))
    inputs = [
        np.zeros(shape, np.float32)
        for shape in estimator_shapes(model.card.network, "estimate", 1, 1, 1)
    ]
    first = OpenVinoBackend(model, "f32", tmp_path).run("estimate", inputs)
    (folder,) = tmp_path.iterdir()
    if damage == "a file in its place":
        for path in sorted(folder.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        folder.rmdir()
        folder.write_text("nothing of ours")
    else:
        graph = folder / "estimate.xml"
        graph.write_bytes(graph.read_bytes()[:2000]) if damage == "cut" else graph.unlink()
    again = OpenVinoBackend(model, "f32", tmp_path).run("estimate", inputs)
    assert first[0].shape[1] == ESTIMATOR_OUTPUTS
    assert np.array_equal(first[0], again[0])
    assert str(tmp_path) in caplog.text


def test_the_parts_are_those_of_the_table(models):
    from texgen_server.graphs import build_graphs
    from texgen_server.networks.torch_parts import build_parts

    for kind in KINDS:
        model = load_model(find_card(kind, models))
        for build in (build_graphs, build_parts):
            assert set(build(model.params, model.weights)) == set(PARTS[kind])

# SPDX-License-Identifier: Apache-2.0
"""OpenVINO as a backend: the same maps as torch."""

from __future__ import annotations

import numpy as np
import pytest

from tests.texgen_server.backends.plans import plan_of, run
from tests.texgen_server.graphs.shapes import estimator_shapes, material_shapes
from texgen import find_card
from texgen.recipes.build import make_recipe, mix_recipe
from texgen.recipes.recipe import MixMode
from texgen_server.backends import engine_name, load_backend
from texgen_server.backends.openvino_backend import OpenVinoBackend
from texgen_server.backends.torch_backend import TorchBackend
from texgen_server.material.canvas import Window
from texgen_server.material.sampling import make_plan
from texgen_server.material.synthesis import Synthesis
from texgen_server.networks.params import (
    ESTIMATOR_OUTPUTS,
)
from texgen_server.precision import EXACT, allowed
from texgen_server.registry import load_model

pytestmark = pytest.mark.held


@pytest.mark.parametrize(
    "size", [(64, 64), (160, 96), (416, 384)], ids=["square", "oblong", "guided"]
)
def test_openvino_equals_torch(model, card, folder, size):
    pytest.importorskip("openvino")
    plan = plan_of(model, card, size)
    ours, relief = run(load_backend(model, "openvino", "f32", folder), model, plan)
    reference, relief_reference = run(TorchBackend(model, "cpu", "f32"), model, plan)
    assert ours.shape == (7, size[1], size[0])
    assert np.abs(ours - reference).max() < 1e-4
    assert relief == pytest.approx(relief_reference, rel=1e-4)


def test_openvino_paints_as_torch_does(model, card, folder):
    pytest.importorskip("openvino")
    parts = [
        (make_recipe(card, [(name, 1.0)], 3, (64, 96)), 1) for name in ("brick", "rock", "bark")
    ]
    mask = (np.indices((96, 64)).sum(0) // 40 % 3).astype(np.uint8)
    plan = make_plan(
        mix_recipe(card, parts, MixMode.PAINT, mask_sha256="00" * 32),
        model.tables,
        model.shape,
        mask=mask,
    )
    ours, _ = run(load_backend(model, "openvino", "f32", folder), model, plan)
    reference, _ = run(TorchBackend(model, "cpu", "f32"), model, plan)
    assert np.abs(ours - reference).max() < 1e-4


def test_the_name_tells_what_it_was_compiled_for(model, folder):
    pytest.importorskip("openvino")
    backend = load_backend(model, "openvino", "auto", folder)
    told = backend._compiled["trunk"].get_property("INFERENCE_PRECISION_HINT").get_type_name()
    assert backend.name.split("/")[1] == told == allowed("openvino")[0]
    assert backend.name == engine_name("openvino", "auto")
    assert backend.threads > 0


def test_threads_change_no_byte(model, card, folder):
    pytest.importorskip("openvino")
    plan = plan_of(model, card, (160, 96))
    first, *others = (
        Synthesis(load_backend(model, "openvino", "auto", folder, n), model.shape).maps(plan)[0]
        for n in (1, 2, 3)
    )
    assert all(np.array_equal(first[kind], other[kind]) for other in others for kind in first)


def test_openvino_tiles_exactly(model, card, folder):
    """Rolling the inputs by a cell rolls the output: at the backend's own precision, to 1 LSB of
    the stored depth.
    """
    pytest.importorskip("openvino")
    synthesis = Synthesis(load_backend(model, "openvino", "auto", folder), model.shape)
    plan = plan_of(model, card, (96, 96))
    plain, rolled = (synthesis.window(plan, Window(-n, -n, 3, 3)) for n in (0, 1))
    assert np.abs(np.roll(plain, 32, (1, 2)) - rolled).max() <= 1.0 / 255


def test_halo_tiles_equal_the_whole_in_every_precision(model, card, folder):
    pytest.importorskip("openvino")
    for precision in allowed("openvino"):
        tolerance = 1e-5 if precision == EXACT else 1.0 / 255
        synthesis = Synthesis(load_backend(model, "openvino", precision, folder), model.shape)
        plan = plan_of(model, card, (576, 544))
        whole, _ = synthesis.raw(plan)
        tile = synthesis.part(plan, Window(1, 2, 3, 3))
        assert np.abs(tile - whole[:, 32:128, 64:160]).max() <= tolerance


pytestmark = pytest.mark.held


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

# SPDX-License-Identifier: Apache-2.0
"""On a CUDA device: the same textures as on a CPU, the same bytes whoever else is there, memory
given back, and life after running out of it.

`make gpu` runs this and the bench; neither needs a network.
"""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch

from texgen.errors import CapacityError
from texgen.maps import Border, MapKind
from texgen.modelcard import find_card
from texgen.recipes.build import make_recipe
from texgen_server.config import ServerConfig
from texgen_server.engine.jobs import EnvironmentJob, MaterialJob, UpscaleJob
from texgen_server.engine.local import LocalEngine

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
LEVELS = {"uint8": 255.0, "uint16": 65535.0}


@pytest.fixture(scope="module")
def gpu():
    engine = LocalEngine(ServerConfig(device="cuda"))
    yield engine
    engine.close(10.0)


def recipe(seed=7, size=256, name="brick"):
    return make_recipe(find_card("material"), [(name, 1.0)], seed, (size, size))


def made(engine, job, model="material"):
    return engine.submit(model, job).result(120).maps


def apart(a, b):
    """Mean and 99.9 % distance of two maps, in parts of their range."""
    distance = np.abs(a.astype(np.float64) - b) / LEVELS.get(str(a.dtype), 1.0)
    return distance.mean(), np.quantile(distance, 0.999)


def on_both(job_of, model="material", precision="f32"):
    there, here = (
        LocalEngine(ServerConfig(device=d, precision=p))
        for d, p in (("cuda", precision), ("torch", "f32"))
    )
    pairs = made(there, job_of(), model), made(here, job_of(), model)
    there.close(5.0)
    here.close(5.0)
    return pairs


@pytest.mark.parametrize("size", [256, 1024])
def test_a_material_is_that_of_the_cpu(size):
    there, here = on_both(lambda: MaterialJob(recipe(size=size)))
    for kind in here:
        mean, most = apart(there[kind], here[kind])
        assert mean < 0.5 / 255.0, kind
        assert most < 6.0 / 255.0, kind


def test_bfloat16_is_the_same_texture():
    there, here = on_both(lambda: MaterialJob(recipe(size=512)), precision="bf16")
    for kind in here:
        assert apart(there[kind], here[kind])[0] < 4.0 / 255.0, kind


def test_upscaled_maps_are_those_of_the_cpu():
    ramp = (np.random.default_rng(3).random((64, 64, 1)) * 255).astype(np.uint8)
    there, here = on_both(lambda: UpscaleJob({MapKind.AO: ramp}, 4, Border.WRAP), "upscaler")
    assert apart(there[MapKind.AO], here[MapKind.AO])[1] < 2.0 / 255.0


def test_an_environment_is_that_of_the_cpu():
    card = find_card("environment")
    scene = make_recipe(card, [(card.classes[0].name, 1.0)], 3, (1024, 512))
    there, here = on_both(lambda: EnvironmentJob(scene), "environment")
    a, b = (
        np.log2(np.maximum(m[MapKind.ENVIRONMENT].astype(np.float64), 1e-4)) for m in (there, here)
    )
    assert np.abs(a - b).mean() < 0.02


def test_whoever_else_is_there_the_bytes_are_the_same(gpu):
    recipes = [recipe(seed) for seed in range(16)]
    alone = [made(gpu, MaterialJob(r)) for r in recipes]
    for _ in range(3):
        futures = [gpu.submit("material", MaterialJob(r)) for r in recipes]
        for future, maps in zip(futures, alone, strict=True):
            together = future.result(120).maps
            assert all(np.array_equal(together[kind], maps[kind]) for kind in maps)


def test_memory_is_given_back():
    engine = LocalEngine(ServerConfig(device="cuda"))
    made(
        engine, MaterialJob(recipe())
    )  # a thread's first product of matrices has cuBLAS keep some memory for the next ones
    assert engine.unload("material").result(60)
    gc.collect()
    before = torch.cuda.memory_allocated()
    made(engine, MaterialJob(recipe(size=1024)))
    assert torch.cuda.memory_allocated() > before
    assert engine.unload("material").result(60)
    gc.collect()
    assert torch.cuda.memory_allocated() <= before + (1 << 20)
    engine.close(5.0)


def test_out_of_memory_is_told_and_survived(gpu):
    made(gpu, MaterialJob(recipe()))
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    hog = torch.empty(max(0, free - (64 << 20)), dtype=torch.uint8, device="cuda")
    with pytest.raises(CapacityError, match="memory"):
        made(gpu, MaterialJob(recipe(size=2048)))
    del hog
    torch.cuda.empty_cache()
    assert made(gpu, MaterialJob(recipe(size=2048)))

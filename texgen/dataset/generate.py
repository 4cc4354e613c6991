# SPDX-License-Identifier: Apache-2.0
"""Generates samples with a server, several requests in flight, and yields them in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING

from texgen._version import __version__
from texgen.batch.item import ItemRequest
from texgen.batch.run import generate_with_retries
from texgen.dataset.folder import SampleFiles
from texgen.dataset.plan import DatasetPlan, Sample
from texgen.dataset.view import auto_exposure, render_view
from texgen.files.document import JsonObject, json_bytes
from texgen.files.images import decode, encode_png
from texgen.maps import MAP_SPECS, ColorSpace, Encoding, Material

if TYPE_CHECKING:
    from texgen.client import Client


def generate_samples(
    client: Client, plan: DatasetPlan, samples: Sequence[Sample], jobs: int
) -> Iterator[SampleFiles]:
    """Yield the files of each sample.

    Raises the TexgenError of the first one that cannot be generated.
    """
    waiting: deque[Future[SampleFiles]] = deque()
    with ThreadPoolExecutor(jobs, "texgen-dataset") as pool:
        try:
            for sample in samples:
                waiting.append(pool.submit(_generate, client, plan, sample))
                if len(waiting) > 2 * jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _generate(client: Client, plan: DatasetPlan, sample: Sample) -> SampleFiles:
    request: ItemRequest = {
        "classes": {sample.class_name: 1.0},
        "seed": sample.seed,
        "controls": sample.controls,
        "size_px": (plan.size_px, plan.size_px),
        "model": plan.model,
    }
    material = generate_with_retries(client, request, encoding=Encoding.RAW)
    maps = {kind: decode(packed) for kind, packed in material.maps.items()}
    text = {"texgen:recipe": material.recipe}
    files = {
        f"{kind}.png": encode_png(
            pixels, srgb=MAP_SPECS[kind].color_space is ColorSpace.SRGB, text=text
        )
        for kind, pixels in maps.items()
    }
    exposure = auto_exposure(maps)
    for number, view in enumerate(sample.views):
        files[f"view{number}.png"] = encode_png(
            render_view(maps, view, plan.size_px, exposure), srgb=True, text=text
        )
    return files | {"json": json_bytes(_label(sample, material, exposure))}


def _label(sample: Sample, material: Material, exposure: float) -> JsonObject:
    return {
        "class": sample.class_name,
        "class_index": sample.class_index,
        "seed": sample.seed,
        "controls": material.controls,
        "recipe": material.recipe,
        "model_digest": material.model_digest,
        "engine": material.engine,
        "height_range_tiles": material.height_range_tiles,
        "output_licence": material.output_licence,
        "generator": f"texgen {__version__}",
        "views": [asdict(view) for view in sample.views],
        "exposure": exposure,
    }

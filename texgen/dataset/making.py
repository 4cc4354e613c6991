# SPDX-License-Identifier: Apache-2.0
"""Samples by way of a server, several in flight, handed on in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from texgen._version import __version__
from texgen.batch.run import asked
from texgen.dataset.keeping import Files
from texgen.dataset.plan import Plan, Sample
from texgen.dataset.view import metered, render_view
from texgen.files.images import decode, encode_png
from texgen.files.material import json_bytes
from texgen.maps import MAP_SPECS, ColorSpace, Encoding, Material


def make_samples(client: Any, plan: Plan, samples: Sequence[Sample], jobs: int) -> Iterator[Files]:
    """The files of each sample. Raises the TexgenError of the first that cannot be made."""
    waiting: deque[Future[Files]] = deque()
    with ThreadPoolExecutor(jobs, "texgen-dataset") as pool:
        try:
            for sample in samples:
                waiting.append(pool.submit(_make, client, plan, sample))
                if len(waiting) > 2 * jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _make(client: Any, plan: Plan, sample: Sample) -> Files:
    size = (plan.size_px, plan.size_px)
    request = {
        "classes": sample.class_name,
        "seed": sample.seed,
        "controls": sample.controls,
        "size_px": size,
        "model": plan.model,
    }
    material: Material = asked(client, {**request, "encoding": Encoding.RAW, "batch": True})
    maps = {kind: decode(packed) for kind, packed in material.maps.items()}
    text = {"texgen:recipe": material.recipe}
    files = {
        f"{kind}.png": encode_png(
            pixels, srgb=MAP_SPECS[kind].color_space is ColorSpace.SRGB, text=text
        )
        for kind, pixels in maps.items()
    }
    exposure = metered(maps)
    for number, view in enumerate(sample.views):
        files[f"view{number}.png"] = encode_png(
            render_view(maps, view, plan.size_px, exposure), srgb=True, text=text
        )
    return files | {"json": json_bytes(_label(sample, material) | {"exposure": exposure})}


def _label(sample: Sample, material: Material) -> dict[str, Any]:
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
    }

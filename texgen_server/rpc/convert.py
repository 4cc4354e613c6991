# SPDX-License-Identifier: Apache-2.0
"""Where results become protobuf: arrays -> events, cards -> messages.

(Requests are read in `requests`.) Nothing below has heard of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texgen.files.images import encode
from texgen.maps import ColorSpace, Encoding, Light, MapKind
from texgen.modelcard import ModelCard
from texgen.pb import texgen_pb2 as pb
from texgen.recipes.recipe import Recipe
from texgen.recipes.text import write_recipe
from texgen.wire.assembly import DTYPE_TO_PB, ENCODING_TO_PB, KIND_TO_PB, SPACE_TO_PB, STEP_TO_PB
from texgen_server.config import ServerConfig
from texgen_server.engine.base import DeviceInfo, EnvironmentJob, MaterialJob, Result
from texgen_server.observability.model_statistics import STAGES, ModelFigures
from texgen_server.prompt import reads_prompts
from texgen_server.rpc.map_encoding import EncodedMap
from texgen_server.rpc.requests.material import Order
from texgen_server.rpc.requests.photo import can_capture


def frame_of(encoded: EncodedMap) -> tuple[pb.MapHeader, pb.MapEnd]:
    """What begins and what ends a map."""
    packed = encoded.packed
    kind, size = KIND_TO_PB[packed.kind], len(packed.data)
    header = pb.MapHeader(
        kind=kind,
        width_px=packed.width_px,
        height_px=packed.height_px,
        channels=packed.channels,
        dtype=DTYPE_TO_PB[packed.dtype],
        encoding=ENCODING_TO_PB[packed.encoding],
        color_space=SPACE_TO_PB[packed.color_space],
        byte_size=size,
    )
    return header, pb.MapEnd(kind=kind, byte_size=size, sha256=encoded.sha256, crc32=encoded.crc32)


def accepted_event(
    call_id: str,
    order: Order,
    card: ModelCard,
    index: int,
    count: int,
    choice: pb.PromptChoice | None,
) -> pb.TextureEvent:
    """The first event of a result."""
    return pb.TextureEvent(
        accepted=pb.Accepted(
            request_id=call_id,
            seed=order.job.recipe.seed
            if isinstance(order.job, MaterialJob | EnvironmentJob)
            else 0,
            model_digest=card.digest,
            recipe=order.recipe_text,
            index=index,
            count=count,
            prompt_choice=choice,
        )
    )


def preview_event(kind: MapKind, pixels: NDArray[np.uint8]) -> pb.TextureEvent:
    """(h, w, 3) sRGB as a small early picture."""
    return pb.TextureEvent(
        preview=pb.Preview(
            kind=KIND_TO_PB[kind], png=encode(pixels, Encoding.PNG, ColorSpace.SRGB, {})
        )
    )


def recipe_of(order: Order, card: ModelCard, result: Result) -> str:
    """The recipe of a finished result as text; empty where no recipe made it."""
    return order.recipe_text or (write_recipe(result.recipe, card) if result.recipe else "")


def summary_event(
    order: Order, card: ModelCard, result: Result, encode_s: float, seams: dict[MapKind, float]
) -> pb.TextureEvent:
    """The last event of a result."""
    summary = pb.Summary(
        recipe=recipe_of(order, card, result),
        queue_s=result.queue_s,
        compute_s=result.compute_s,
        encode_s=encode_s,
        tileability=[
            pb.MapTileability(kind=KIND_TO_PB[k], seam_percentile=v) for k, v in seams.items()
        ],
        engine=result.engine,
        output_licence=card.output_licence if result.recipe else "",
        model_digest=card.digest,
        height_range_tiles=result.relief_tiles,
        lights=[_light(light) for light in result.lights],
        repairs=[
            pb.MapRepair(kind=KIND_TO_PB[k], steps=[STEP_TO_PB[s] for s in steps])
            for k, steps in result.steps.items()
        ],
    )
    if result.recipe:
        summary.seed = result.recipe.seed
        summary.controls.update(result.recipe.controls)
    if result.recipe and isinstance(order.job, MaterialJob):
        _tell_material(summary, order.job, result.recipe)
    return pb.TextureEvent(summary=summary)


def _light(light: Light) -> pb.Light:
    return pb.Light(
        azimuth_deg=light.azimuth_deg,
        elevation_deg=light.elevation_deg,
        radius_deg=light.radius_deg,
        flux=light.flux,
    )


def _tell_material(summary: pb.Summary, job: MaterialJob, recipe: Recipe) -> None:
    """What only a material's summary has."""
    summary.height_range_m = summary.height_range_tiles * recipe.controls["tile_size_m"]
    summary.endless = job.endless
    if (place := job.rectangle) is not None:
        summary.window.CopyFrom(
            pb.Window(
                x_px=place.x_px, y_px=place.y_px, width_px=place.width_px, height_px=place.height_px
            )
        )


def model_message(card: ModelCard) -> pb.Model:
    """A card as the contract tells it."""
    return pb.Model(
        id=card.id,
        title=card.title,
        kind=card.kind,
        version=card.version,
        digest=card.digest,
        licence=card.licence,
        output_licence=card.output_licence,
        classes=[
            pb.ModelClass(name=c.name, preset=c.preset, materials=len(c.materials))
            for c in card.classes
        ],
        controls=[
            pb.Control(
                name=c.name,
                label=c.label,
                description=c.description,
                unit=c.unit,
                minimum=c.minimum,
                maximum=c.maximum,
                default_value=c.default,
                post_process=c.post_process,
            )
            for c in card.controls
        ],
        maps=[KIND_TO_PB[k] for k in card.maps],
        size_multiple_px=card.size_multiple_px,
        min_edge_px=card.min_edge_px,
        max_edge_px=card.max_edge_px,
        reads_prompts=reads_prompts(card),
        makes_captures=can_capture(),
    )


def statistics_message(model: str, figures: ModelFigures, *, loaded: bool) -> pb.ModelStatistics:
    """What a model has done."""
    queue, compute, encode = (
        pb.Durations(count=d.count, sum_s=d.sum_s, p50_s=d.quantile(0.5), p99_s=d.quantile(0.99))
        for d in map(figures.durations.get, STAGES)
        if d
    )
    return pb.ModelStatistics(
        model=model,
        loaded=loaded,
        results=figures.results,
        cache_hits=figures.cache_hits,
        failures=figures.failures,
        queue=queue,
        compute=compute,
        encode=encode,
    )


def info_message(
    version: str, devices: list[DeviceInfo], config: ServerConfig, max_edge_px: int, depth: int
) -> pb.GetServerInfoResponse:
    """The server's state."""
    return pb.GetServerInfoResponse(
        version=version,
        devices=[pb.Device(**vars(d)) for d in devices],
        limits=pb.Limits(
            max_edge_px=max_edge_px,
            max_pixels=config.max_pixels,
            max_queue=config.max_queue,
            max_message_bytes=config.max_message_bytes,
        ),
        queue_depth=depth,
    )

# SPDX-License-Identifier: Apache-2.0
"""Results -> protobuf: arrays -> events, cards -> messages.

(Requests are read in `requests`.) Nothing below `rpc` knows protobuf.
"""

from __future__ import annotations

import numpy as np
from google.rpc import status_pb2
from numpy.typing import NDArray

from texgen.files.images import encode
from texgen.maps import ColorSpace, Encoding, Light, MapKind
from texgen.modelcard import ModelCard
from texgen.pb import texgen_pb2 as pb
from texgen.recipes.text import write_recipe
from texgen.wire.enums import (
    DTYPE_TO_PB,
    ENCODING_TO_PB,
    KIND_TO_PB,
    REPAIR_STEP_TO_PB,
    SPACE_TO_PB,
)
from texgen_server.config import ServerConfig
from texgen_server.engine.jobs import MaterialJob, Result
from texgen_server.engine.protocol import Engine
from texgen_server.material.canvas import Rectangle
from texgen_server.observability.model_statistics import STAGES, ModelFigures, Statistics
from texgen_server.prompt import reads_prompts
from texgen_server.rpc.map_encoding import EncodedMap
from texgen_server.rpc.requests.order import Order
from texgen_server.rpc.requests.photo import can_capture


def frame_of(encoded: EncodedMap) -> tuple[pb.MapHeader, pb.MapEnd]:
    """Return the messages that begin and end a map."""
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
    """Make the first event of a result."""
    return pb.TextureEvent(
        accepted=pb.Accepted(
            request_id=call_id,
            seed=order.job.seed,
            model_digest=card.digest,
            recipe=order.recipe_text,
            index=index,
            count=count,
            prompt_choice=choice,
        )
    )


def preview_event(kind: MapKind, pixels: NDArray[np.uint8]) -> pb.TextureEvent:
    """Make the event of a preview, (h, w, 3) sRGB."""
    return pb.TextureEvent(
        preview=pb.Preview(
            kind=KIND_TO_PB[kind], png=encode(pixels, Encoding.PNG, ColorSpace.SRGB, {})
        )
    )


def recipe_of(order: Order, card: ModelCard, result: Result) -> str:
    """Return the recipe of a finished result as text; empty where no recipe made it."""
    return order.recipe_text or (write_recipe(result.recipe, card) if result.recipe else "")


def summary_event(
    order: Order, card: ModelCard, result: Result, encode_s: float, seams: dict[MapKind, float]
) -> pb.TextureEvent:
    """Make the last event of a result."""
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
            pb.MapRepair(kind=KIND_TO_PB[k], steps=[REPAIR_STEP_TO_PB[s] for s in steps])
            for k, steps in result.steps.items()
        ],
    )
    if result.recipe:
        summary.seed = result.recipe.seed
        summary.controls.update(result.recipe.controls)
        # environments have no such control
        summary.height_range_m = result.relief_tiles * result.recipe.controls.get(
            "tile_size_m", 0.0
        )
    if isinstance(order.job, MaterialJob):
        summary.endless = order.job.endless
        if order.job.rectangle is not None:
            summary.window.CopyFrom(_window(order.job.rectangle))
    return pb.TextureEvent(summary=summary)


def _light(light: Light) -> pb.Light:
    return pb.Light(
        azimuth_deg=light.azimuth_deg,
        elevation_deg=light.elevation_deg,
        radius_deg=light.radius_deg,
        flux=light.flux,
    )


def _window(place: Rectangle) -> pb.Window:
    return pb.Window(
        x_px=place.x_px, y_px=place.y_px, width_px=place.width_px, height_px=place.height_px
    )


def model_message(card: ModelCard) -> pb.Model:
    """Convert a model's card."""
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
    """Convert the statistics of a model."""
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


def statistics_response(
    statistics: Statistics, loaded: list[str], model_id: str
) -> pb.GetModelStatisticsResponse:
    """Make the statistics of one model, or with an empty id of all that were used or are loaded."""
    names = [model_id] if model_id else sorted({*statistics.models(), *loaded})
    return pb.GetModelStatisticsResponse(
        models=[
            statistics_message(name, statistics.of(name), loaded=name in loaded) for name in names
        ]
    )


def explore_error(sequence: int, status: status_pb2.Status) -> pb.ExploreEvent:
    """Make the event of a position that cannot be shown."""
    error = pb.ExploreError(code=status.code, message=status.message)
    return pb.ExploreEvent(sequence=sequence, error=error)


def info_message(version: str, engine: Engine, config: ServerConfig) -> pb.GetServerInfoResponse:
    """Describe the server's state."""
    edge = max((c.max_edge_px for c in engine.cards() if c.kind == "material"), default=0)
    return pb.GetServerInfoResponse(
        version=version,
        devices=[pb.Device(**vars(d)) for d in engine.devices()],
        limits=pb.Limits(
            max_edge_px=edge,
            max_pixels=config.max_pixels,
            max_queue=config.max_queue,
            max_message_bytes=config.max_message_bytes,
        ),
        queue_depth=engine.queue_depth(),
    )

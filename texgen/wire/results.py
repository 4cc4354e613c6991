# SPDX-License-Identifier: Apache-2.0
"""Converts the messages of a complete result to materials, map sets and environments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from texgen.errors import ConnectionFailedError
from texgen.maps import (
    Encoding,
    Environment,
    Light,
    MapKind,
    MapSet,
    Material,
    PackedMap,
    PromptChoice,
)
from texgen.pb import texgen_pb2 as pb
from texgen.wire.enums import (
    DTYPE_FROM_PB,
    ENCODING_FROM_PB,
    KIND_FROM_PB,
    REPAIR_STEP_FROM_PB,
    SPACE_FROM_PB,
)

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class ReceivedResult:
    """A complete result, as it was received."""

    maps: dict[MapKind, PackedMap]
    summary: pb.Summary
    accepted: pb.Accepted


def packed_map(header: pb.MapHeader, data: bytes | memoryview) -> PackedMap:
    """Convert a received map. Raises ConnectionFailedError for unknown values."""
    encoding: Encoding = known(ENCODING_FROM_PB, header.encoding)
    return PackedMap(
        known(KIND_FROM_PB, header.kind),
        header.width_px,
        header.height_px,
        header.channels,
        known(DTYPE_FROM_PB, header.dtype),
        encoding,
        known(SPACE_FROM_PB, header.color_space),
        data,
    )


def material_of(result: ReceivedResult) -> Material:
    """Convert the result of a call that returns materials."""
    summary = result.summary
    return Material(
        **vars(map_set_of(result)),
        recipe=summary.recipe,
        seed=summary.seed,
        output_licence=summary.output_licence,
        height_range_m=summary.height_range_m,
        controls=dict(sorted(summary.controls.items())),
        window_px=_window(summary),
        endless=summary.endless,
        prompt_choice=_prompt_choice(result.accepted),
    )


def map_set_of(result: ReceivedResult) -> MapSet:
    """Convert the result of an upscale or a repair."""
    summary = result.summary
    return MapSet(
        maps=result.maps,
        engine=summary.engine,
        model_digest=summary.model_digest,
        height_range_tiles=summary.height_range_tiles,
        timings_s=_timings(summary),
        tileability={
            known(KIND_FROM_PB, entry.kind): entry.seam_percentile for entry in summary.tileability
        },
        cache_hit=summary.cache_hit,
        repairs={
            known(KIND_FROM_PB, entry.kind): tuple(
                known(REPAIR_STEP_FROM_PB, step) for step in entry.steps
            )
            for entry in summary.repairs
        },
    )


def environment_of(result: ReceivedResult) -> Environment:
    """Convert the result of a call that returns environments.

    Raises ConnectionFailedError when it has no panorama.
    """
    summary = result.summary
    if MapKind.ENVIRONMENT not in result.maps:
        raise ConnectionFailedError("the server sent no panorama; try again")
    return Environment(
        panorama=result.maps[MapKind.ENVIRONMENT],
        recipe=summary.recipe,
        seed=summary.seed,
        model_digest=summary.model_digest,
        engine=summary.engine,
        output_licence=summary.output_licence,
        lights=tuple(_light(light) for light in summary.lights),
        controls=dict(sorted(summary.controls.items())),
        timings_s=_timings(summary),
        cache_hit=summary.cache_hit,
    )


def _timings(summary: pb.Summary) -> dict[str, float]:
    return {"queue": summary.queue_s, "compute": summary.compute_s, "encode": summary.encode_s}


def _light(light: pb.Light) -> Light:
    if len(light.flux) != 3:
        raise ConnectionFailedError("the server sent a light without three values of flux")
    red, green, blue = light.flux
    return Light(light.azimuth_deg, light.elevation_deg, light.radius_deg, (red, green, blue))


def _window(summary: pb.Summary) -> tuple[int, int, int, int] | None:
    w = summary.window
    return (w.x_px, w.y_px, w.width_px, w.height_px) if summary.HasField("window") else None


def _prompt_choice(accepted: pb.Accepted) -> PromptChoice | None:
    if not accepted.HasField("prompt_choice"):
        return None
    choice = accepted.prompt_choice
    return PromptChoice(
        classes={entry.name: entry.weight for entry in choice.classes},
        material=choice.material,
        controls=dict(sorted(choice.controls.items())),
        similarity=round(choice.similarity, 3),
    )


def known(table: Mapping[_Key, _Value], value: _Key) -> _Value:
    """Look up what the server sent; a newer one may know values that this client does not."""
    if value not in table:
        raise ConnectionFailedError(
            f"the server sent the unknown value {value}: update texgen to its version"
        )
    return table[value]

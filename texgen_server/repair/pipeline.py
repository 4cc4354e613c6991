# SPDX-License-Identifier: Apache-2.0
"""Repairs any texture set: cleans it, makes it tileable, fills missing maps, in this order, and
notes the steps of each map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from texgen.errors import InvalidRequestError
from texgen.maps import Border, MapKind, Pixels, Tiling
from texgen_server.backend import Backend
from texgen_server.repair.missing_maps import fill_maps
from texgen_server.repair.options import RepairOptions
from texgen_server.repair.seam_detection import MIN_TILING_PX, seam_axes
from texgen_server.repair.seams import make_tileable
from texgen_server.upscaling.tiled import TiledUpscaler, common_size


@dataclass(frozen=True)
class RepairResult:
    """The given maps, repaired, and the maps that were made."""

    maps: dict[MapKind, Pixels]
    steps: dict[MapKind, tuple[str, ...]]
    """Steps of each map: "cleaned", "tiled", "from height", "from normal", "from estimate"."""
    relief_tiles: float
    """Height range of a relief that was made, as a fraction of the shorter edge; 0 where none was.
    """


def repair_maps(
    maps: Mapping[MapKind, Pixels],
    options: RepairOptions,
    cleaner: TiledUpscaler | None,
    estimator: Backend | None,
    check: Callable[[], None] = lambda: None,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> RepairResult:
    """Repair maps (H, W, C) of one size. ``cleaner`` is a `TiledUpscaler` of scale 1; it and the
    estimator are needed where they are used.

    Raises InvalidRequestError.
    """
    height, width = common_size(maps)
    repaired, steps = dict(maps), {kind: list[str]() for kind in maps}
    axes = _axes(repaired, options.tiling, (height, width))
    if options.clean:
        assert cleaner is not None
        border = Border.MIRROR if any(axes) else Border.WRAP
        repaired = replace(
            cleaner, border=border, check=check, on_progress=lambda f: on_progress(0.5 * f)
        ).maps(repaired)
        _note(steps, repaired, "cleaned")
    check()
    if any(axes):
        repaired = make_tileable(repaired, axes)
        _note(steps, repaired, "tiled")
    on_progress(0.7)
    check()
    if options.fill - set(repaired):
        assert estimator is not None
        filled = fill_maps(repaired, options.fill, estimator, options.class_share)
        steps |= {kind: [f"from {source}"] for kind, source in filled.sources.items()}
        repaired |= filled.maps
        relief_tiles = filled.relief_tiles
    else:
        relief_tiles = 0.0
    on_progress(1.0)
    return RepairResult(repaired, {k: tuple(s) for k, s in steps.items()}, relief_tiles)


def _note(steps: dict[MapKind, list[str]], kinds: Mapping[MapKind, Pixels], step: str) -> None:
    for kind in kinds:
        steps[kind].append(step)


def _axes(
    maps: Mapping[MapKind, Pixels], tiling: Tiling, size: tuple[int, int]
) -> tuple[bool, bool]:
    if tiling is Tiling.NEVER:
        return False, False
    if min(size) < MIN_TILING_PX:
        if tiling is Tiling.AUTO:
            return False, False
        raise InvalidRequestError(
            f"{size[1]} x {size[0]} px are too few to make tileable: at least {MIN_TILING_PX} "
            f"px on an edge",
            "tiling",
        )
    return (True, True) if tiling is Tiling.ALWAYS else seam_axes(maps)

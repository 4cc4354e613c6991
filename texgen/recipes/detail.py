# SPDX-License-Identifier: Apache-2.0
"""Adds the upscaler to recipes whose maps the generator computes at a smaller size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from texgen.errors import InvalidRequestError
from texgen.modelcard import ModelCard
from texgen.recipes.build import with_size
from texgen.recipes.recipe import DETAIL_DIGEST_HEX, DETAIL_SCALES, Detail, Recipe

MATERIAL_SCALES = (2, 4)
MIN_GENERATOR_PX = 512
"""Least px that the generator computes on the shorter edge where the size allows several scales."""


def with_detail(
    recipe: Recipe, card: ModelCard, upscaler: ModelCard, size_px: tuple[int, int] | None = None
) -> Recipe:
    """Return the recipe at its size, or another (width, height), enlarged by the upscaler: four
    times, or twice where the generator would compute too few pixels.

    Raises InvalidRequestError when the size allows neither.
    """
    size = size_px or (recipe.width_px, recipe.height_px)
    step = card.size_multiple_px
    fitting = [
        s
        for s in MATERIAL_SCALES
        if all(edge % (s * step) == 0 and edge // s >= card.min_edge_px for edge in size)
    ]
    if not fitting:
        raise InvalidRequestError(
            f"{size[0]} x {size[1]} px cannot come from the upscaler: each edge must be a "
            f"multiple of {2 * step} px and "
            f"{2 * card.min_edge_px} px or more",
            "detail",
        )
    roomy = [s for s in fitting if min(size) // s >= MIN_GENERATOR_PX]
    scale = max(roomy) if roomy else min(fitting)
    return with_size(
        replace(recipe, detail=Detail(scale, upscaler.digest[:DETAIL_DIGEST_HEX])), card, size
    )


def panorama_size(
    recipe: Recipe, card: ModelCard, upscaler: Callable[[], ModelCard], width_px: int
) -> Recipe:
    """Return an environment's recipe at a width: the model's own, or 2, 4 or 8 times it by the
    upscaler.

    Raises InvalidRequestError for any other width.
    """
    own = card.max_edge_px
    widths = [own, *(own * scale for scale in DETAIL_SCALES)]
    if width_px not in widths:
        raise InvalidRequestError(
            f"width {width_px} px: allowed are {', '.join(map(str, widths))} (the height is "
            f"half of it)",
            "width_px",
        )
    scale = width_px // own
    plain = replace(recipe, width_px=width_px, height_px=width_px // 2, detail=None)
    return (
        replace(plain, detail=Detail(scale, upscaler().digest[:DETAIL_DIGEST_HEX]))
        if scale > 1
        else plain
    )


def check_upscaler(detail: Detail, upscaler: ModelCard) -> None:
    """Raise InvalidRequestError when a recipe needs another version of the upscaler."""
    if not upscaler.digest.startswith(detail.upscaler):
        raise InvalidRequestError(
            f"the recipe's detail was made by upscaler {detail.upscaler[:12]}, this is "
            f"{upscaler.id} {upscaler.digest[:12]}: "
            "use that model's version for the same result",
            "recipe",
        )

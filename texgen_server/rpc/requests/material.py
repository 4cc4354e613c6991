# SPDX-License-Identifier: Apache-2.0
"""Requests -> checked orders: what to make, which part of it, how to send it.

Everything a client can get wrong is refused here.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from texgen.errors import InvalidRequestError
from texgen.files.images import open_picture
from texgen.maps import Encoding, MapKind
from texgen.modelcard import ModelCard
from texgen.pb import texgen_pb2 as pb
from texgen.recipes.build import make_recipe, mix_recipe, vary_recipe, with_controls, with_size
from texgen.recipes.detail import MATERIAL_SCALES, check_upscaler, panorama_size, with_detail
from texgen.recipes.recipe import DEFAULT_SIZE_PX, Lock, MixMode, Mixture, Recipe
from texgen.recipes.text import read_recipe, write_recipe
from texgen.wire.enums import ENCODING_FROM_PB, KIND_FROM_PB, LOCK_FROM_PB, MIX_MODE_FROM_PB
from texgen_server.engine.base import BATCH, INTERACTIVE, EnvironmentJob, Job, MaterialJob
from texgen_server.material.synthesis import Rectangle

MAX_COUNT = 64
MAX_WINDOW_OFFSET_PX = 2**40


@dataclass(frozen=True)
class Delivery:
    """Which maps to send, and how."""

    maps: list[MapKind]
    encoding: Encoding


@dataclass(frozen=True)
class Order:
    """A checked request for one result."""

    job: Job
    recipe_text: str
    """Empty while a capture has not found it yet, and for what no recipe makes."""
    delivery: Delivery
    kept: bool = True
    """Whether the cache of results may keep it."""


@dataclass(frozen=True)
class Host:
    """What orders depend on besides the model."""

    max_pixels: int
    upscaler: Callable[[], ModelCard]
    """The model that enlarges; raises NotFoundError where there is none."""


def generate_orders(
    request: pb.GenerateMaterialRequest, card: ModelCard, host: Host
) -> list[Order]:
    """GenerateMaterial -> one order; its prompt, if any, must have been turned into classes, seed
    and controls before.
    """
    size, detailed = _size(request), request.detail == pb.DETAIL_SR
    if request.recipe:
        if (
            request.classes
            or request.HasField("seed")
            or request.HasField("psi")
            or request.controls
            or request.prompt
        ):
            raise InvalidRequestError(
                "a recipe already says classes, seed, psi and controls: give the recipe alone "
                "(and size, window, mask)",
                "recipe",
            )
        recipe = read_recipe(request.recipe, card, None if detailed else size)
    else:
        recipe = make_recipe(
            card,
            [(c.name, c.weight) for c in request.classes],
            _seed(request),
            (DEFAULT_SIZE_PX, DEFAULT_SIZE_PX) if detailed or not size else size,
            request.psi if request.HasField("psi") else 1.0,
            dict(request.controls),
        )
    if detailed:
        recipe = with_detail(recipe, card, host.upscaler(), size)
    rectangle = _rectangle(request)
    if rectangle is None and _mode(recipe) is MixMode.TRANSITION:
        rectangle = Rectangle(0, 0, _steps(recipe) * recipe.width_px, recipe.height_px)
    if request.endless and rectangle is None:
        rectangle = Rectangle(0, 0, recipe.width_px, recipe.height_px)
    mask = _recipe_mask(recipe, request.mask)
    return [
        _order(
            request,
            card,
            host,
            MaterialJob(recipe, rectangle=rectangle, endless=request.endless, mask=mask),
        )
    ]


def environment_orders(
    request: pb.GenerateEnvironmentRequest, card: ModelCard, host: Host
) -> list[Order]:
    """GenerateEnvironment -> one order."""
    own = card.max_edge_px
    if request.recipe:
        if request.classes or request.HasField("seed") or request.controls:
            raise InvalidRequestError(
                "a recipe already says classes, seed and controls: give the recipe alone (and "
                "width_px)",
                "recipe",
            )
        recipe = read_recipe(request.recipe, card)
    else:
        mix = [(c.name, c.weight) for c in request.classes]
        recipe = make_recipe(
            card, mix, _seed(request), (own, own // 2), controls=dict(request.controls)
        )
    width = request.width_px or recipe.width_px
    if (width, width // 2) != (recipe.width_px, recipe.height_px):
        recipe = panorama_size(recipe, card, host.upscaler, width)
    if recipe.width_px * recipe.height_px > host.max_pixels:
        raise InvalidRequestError(
            f"{recipe.width_px} x {recipe.height_px} px is more than this server makes "
            f"({host.max_pixels} px)",
            "width_px",
        )
    job = EnvironmentJob(recipe, priority=priority_of(request), helpers=_helpers(recipe, host))
    if request.encoding not in (pb.ENCODING_UNSPECIFIED, pb.ENCODING_EXR, pb.ENCODING_RAW):
        raise InvalidRequestError(
            "an environment is radiance: allowed encodings are exr and raw (PNG cannot hold it)",
            "encoding",
        )
    encoding = encoding_of(request.encoding or pb.ENCODING_EXR)
    return [Order(job, write_recipe(recipe, card), Delivery([MapKind.ENVIRONMENT], encoding))]


def _helpers(recipe: Recipe, host: Host) -> tuple[str, ...]:
    """The upscaler, where a recipe takes it.

    Raises InvalidRequestError when it is of another version.
    """
    if recipe.detail is None:
        return ()
    upscaler = host.upscaler()
    check_upscaler(recipe.detail, upscaler)
    return (upscaler.id,)


def vary_orders(request: pb.VaryMaterialRequest, card: ModelCard, host: Host) -> list[Order]:
    """VaryMaterial -> an order a variation."""
    count = request.count or 1
    if count > MAX_COUNT:
        raise InvalidRequestError(
            f"{count} variations: allowed are 1 to {MAX_COUNT} in one call", "count"
        )
    if not request.recipe:
        raise InvalidRequestError(
            "no recipe given: a variation starts from one (the 'recipe' of a sidecar)", "recipe"
        )
    unknown = [lock for lock in request.locks if lock not in LOCK_FROM_PB]
    if unknown:
        raise InvalidRequestError(f"lock {unknown[0]}: allowed are {', '.join(Lock)}", "locks")
    base = read_recipe(request.recipe, card, _size(request))
    first = _seed(request)
    locks = [LOCK_FROM_PB[lock] for lock in request.locks]
    recipes = [vary_recipe(card, base, first + i, request.amount, locks) for i in range(count)]
    return [_order(request, card, host, MaterialJob(recipe)) for recipe in recipes]


def mix_orders(request: pb.MixMaterialsRequest, card: ModelCard, host: Host) -> list[Order]:
    """MixMaterials -> one order, or one a tile of a transition."""
    if request.mode not in MIX_MODE_FROM_PB:
        raise InvalidRequestError(f"mode {request.mode}: allowed are {', '.join(MixMode)}", "mode")
    mode = MIX_MODE_FROM_PB[request.mode]
    chosen = mode in (MixMode.PAINT, MixMode.TRANSITION)
    parts = [
        (read_recipe(part.recipe, card), 1.0 if chosen else part.weight) for part in request.parts
    ]
    digest = hashlib.sha256(request.mask).hexdigest() if request.mask else ""
    recipe = mix_recipe(
        card, parts, mode, size_px=_size(request), mask_sha256=digest, steps=request.steps
    )
    recipe = with_size(
        with_controls(recipe, card, dict(request.controls)),
        card,
        (recipe.width_px, recipe.height_px),
    )
    if mode is MixMode.TRANSITION:
        places = [
            Rectangle(i * recipe.width_px, 0, recipe.width_px, recipe.height_px)
            for i in range(request.steps)
        ]
        return [
            _order(request, card, host, MaterialJob(recipe, rectangle=place)) for place in places
        ]
    return [
        _order(request, card, host, MaterialJob(recipe, mask=_recipe_mask(recipe, request.mask)))
    ]


def _order(request: Any, card: ModelCard, host: Host, job: MaterialJob) -> Order:
    width, height = (
        (job.rectangle.width_px, job.rectangle.height_px)
        if job.rectangle
        else (job.recipe.width_px, job.recipe.height_px)
    )
    if width * height > host.max_pixels:
        raise InvalidRequestError(
            f"{width} x {height} px is more than this server makes ({host.max_pixels} px)", "size"
        )
    if job.recipe.detail and job.rectangle:
        raise InvalidRequestError(
            "a window, an endless field or a transition cannot have detail from the upscaler",
            "detail",
        )
    if job.recipe.detail and job.recipe.detail.scale not in MATERIAL_SCALES:
        raise InvalidRequestError(
            f"the recipe is damaged: a material with detail at scale {job.recipe.detail.scale}",
            "recipe",
        )
    job.helpers = _helpers(job.recipe, host)
    job.priority = priority_of(request)
    return Order(job, write_recipe(job.recipe, card), delivery_of(request, card))


def delivery_of(request: Any, card: ModelCard) -> Delivery:
    """Maps and encoding of any request that has them. Raises InvalidRequestError."""
    return Delivery(_maps(request.maps, card), encoding_of(request.encoding))


def priority_of(request: Any) -> int:
    """Queue priority of any request that has one."""
    return BATCH if request.priority == pb.PRIORITY_BATCH else INTERACTIVE


def _size(request: Any) -> tuple[int, int] | None:
    return (request.size.width_px, request.size.height_px) if request.HasField("size") else None


def _seed(request: Any) -> int:
    return request.seed if request.HasField("seed") else secrets.randbelow(2**32)


def _maps(wanted: Sequence[pb.MapKind], card: ModelCard) -> list[MapKind]:
    kinds = [KIND_FROM_PB.get(m) for m in wanted] or list(card.maps)
    chosen = [k for k in card.maps if k in kinds]
    if len(chosen) < len(set(kinds)):
        raise InvalidRequestError(
            f"a map that the model does not make: there are {', '.join(card.maps)}", "maps"
        )
    return chosen


def encoding_of(wanted: pb.Encoding) -> Encoding:
    """How to pack results. Raises InvalidRequestError."""
    if wanted == pb.ENCODING_UNSPECIFIED:
        return Encoding.PNG
    if wanted not in ENCODING_FROM_PB:
        raise InvalidRequestError(f"encoding {wanted}: allowed are raw, png, exr", "encoding")
    return ENCODING_FROM_PB[wanted]


def _rectangle(request: pb.GenerateMaterialRequest) -> Rectangle | None:
    if not request.HasField("window"):
        return None
    window = request.window
    if not (window.width_px and window.height_px):
        raise InvalidRequestError(
            f"window of {window.width_px} x {window.height_px} px: both must be above 0", "window"
        )
    if max(abs(window.x_px), abs(window.y_px)) > MAX_WINDOW_OFFSET_PX:
        raise InvalidRequestError(
            f"window at {window.x_px}, {window.y_px}: allowed is up to {MAX_WINDOW_OFFSET_PX} "
            f"px from the origin",
            "window",
        )
    return Rectangle(window.x_px, window.y_px, window.width_px, window.height_px)


def _mode(recipe: Recipe) -> MixMode | None:
    return recipe.origin.mode if isinstance(recipe.origin, Mixture) else None


def _steps(recipe: Recipe) -> int:
    return recipe.origin.steps if isinstance(recipe.origin, Mixture) else 0


def _recipe_mask(recipe: Recipe, data: bytes) -> NDArray[np.uint8] | None:
    """The part of each pixel at the recipe's size, for a painted mixture.

    Raises InvalidRequestError.
    """
    if _mode(recipe) is not MixMode.PAINT:
        if data:
            raise InvalidRequestError("a mask goes with a painted mix only", "mask")
        return None
    assert isinstance(recipe.origin, Mixture)
    if not data:
        raise InvalidRequestError(
            "the recipe is a painted mix: send its mask too (--mask FILE)", "mask"
        )
    if hashlib.sha256(data).hexdigest() != recipe.origin.mask_sha256:
        raise InvalidRequestError(
            "the mask is not the one the recipe was made with (its SHA-256 differs)", "mask"
        )
    picture = open_picture(data, "mask", formats=("PNG",), modes=("L", "1"))
    drawn = recipe.before_upscaling()
    values = np.asarray(picture.convert("L").resize((drawn.width_px, drawn.height_px)), np.float32)
    return np.round(values / 255.0 * (len(recipe.origin.parts) - 1)).astype(np.uint8)

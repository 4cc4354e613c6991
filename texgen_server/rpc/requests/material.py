# SPDX-License-Identifier: Apache-2.0
"""GenerateMaterial, VaryMaterial, MixMaterials: requests -> checked orders.

Everything a client can get wrong is refused here.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from texgen.errors import InvalidRequestError
from texgen.files.images import MAX_UPLOAD_PIXELS
from texgen.inputs.pictures import read_picture
from texgen.maps import Pixels, from_unit, to_unit
from texgen.modelcard import ModelCard
from texgen.pb import texgen_pb2 as pb
from texgen.recipes.build import make_recipe, mix_recipe, vary_recipe, with_controls, with_size
from texgen.recipes.detail import MATERIAL_SCALES, with_detail
from texgen.recipes.recipe import DEFAULT_SIZE_PX, Lock, MixMode, Mixture, Recipe
from texgen.recipes.text import read_recipe, write_recipe
from texgen.wire.enums import LOCK_FROM_PB, MIX_MODE_FROM_PB
from texgen_server.engine.jobs import MaterialJob
from texgen_server.material.canvas import Rectangle
from texgen_server.rpc.requests.order import Host, Order, delivery_of
from texgen_server.rpc.requests.seed import seed_of

MAX_COUNT = 64
MAX_WINDOW_OFFSET_PX = 2**40
MaterialRequest = pb.GenerateMaterialRequest | pb.VaryMaterialRequest | pb.MixMaterialsRequest


def generate_orders(
    request: pb.GenerateMaterialRequest, card: ModelCard, host: Host, *, exploring: bool = False
) -> list[Order]:
    """Check a request and make its one order. A prompt must have been turned into classes, seed and
    controls before. Raises InvalidRequestError.

    ``exploring``: a position of a moving slider, whose result is not worth keeping.
    """
    recipe = _generate_recipe(request, card, host)
    rectangle = _rectangle(request)
    if rectangle is None and _mode(recipe) is MixMode.TRANSITION:
        rectangle = Rectangle(0, 0, _steps(recipe) * recipe.width_px, recipe.height_px)
    if request.endless and rectangle is None:
        rectangle = Rectangle(0, 0, recipe.width_px, recipe.height_px)
    mask = _recipe_mask(recipe, request.mask)
    order = _order(
        request,
        card,
        host,
        recipe,
        rectangle,
        mask=mask,
        endless=request.endless,
        exploring=exploring,
    )
    return [order]


def _generate_recipe(request: pb.GenerateMaterialRequest, card: ModelCard, host: Host) -> Recipe:
    """Read or make the recipe of a request."""
    size, detailed = _size(request), request.detail == pb.DETAIL_SR
    if request.recipe:
        _check_recipe_alone(request)
        recipe = read_recipe(request.recipe, card, None if detailed else size)
    else:
        recipe = make_recipe(
            card,
            [(c.name, c.weight) for c in request.classes],
            seed_of(request),
            (DEFAULT_SIZE_PX, DEFAULT_SIZE_PX) if detailed or not size else size,
            request.psi if request.HasField("psi") else 1.0,
            dict(request.controls),
        )
    return with_detail(recipe, card, host.upscaler(), size) if detailed else recipe


def _check_recipe_alone(request: pb.GenerateMaterialRequest) -> None:
    """Raise InvalidRequestError when a request gives a recipe and a field that the recipe
    contains.
    """
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


def vary_orders(request: pb.VaryMaterialRequest, card: ModelCard, host: Host) -> list[Order]:
    """Check a request and make an order for each variation. Raises InvalidRequestError."""
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
    first = seed_of(request)
    locks = [LOCK_FROM_PB[lock] for lock in request.locks]
    recipes = [vary_recipe(card, base, first + i, request.amount, locks) for i in range(count)]
    return [_order(request, card, host, recipe) for recipe in recipes]


def mix_orders(request: pb.MixMaterialsRequest, card: ModelCard, host: Host) -> list[Order]:
    """Check a request and make its order, or one for each tile of a transition. Raises
    InvalidRequestError.
    """
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
        return [_order(request, card, host, recipe, place) for place in places]
    return [_order(request, card, host, recipe, mask=_recipe_mask(recipe, request.mask))]


def _order(
    request: MaterialRequest,
    card: ModelCard,
    host: Host,
    recipe: Recipe,
    rectangle: Rectangle | None = None,
    *,
    mask: NDArray[np.uint8] | None = None,
    endless: bool = False,
    exploring: bool = False,
) -> Order:
    """Check size and detail, and make the order."""
    place = rectangle or recipe
    host.check_size((place.width_px, place.height_px), "size")
    _check_detail(recipe, rectangle)
    observer, helpers = host.observer(), host.helpers(recipe)
    options = host.job_options(request, observer, helpers)
    job = MaterialJob(recipe, rectangle, endless, mask, exploring, **options)
    text, delivery = write_recipe(recipe, card), delivery_of(request, card)
    return Order(job, observer, text, delivery, cacheable=not exploring)


def _check_detail(recipe: Recipe, rectangle: Rectangle | None) -> None:
    """Raise InvalidRequestError for detail that the upscaler cannot add."""
    if recipe.detail and rectangle:
        raise InvalidRequestError(
            "a window, an endless field or a transition cannot have detail from the upscaler",
            "detail",
        )
    if recipe.detail and recipe.detail.scale not in MATERIAL_SCALES:
        raise InvalidRequestError(
            f"the recipe is damaged: a material with detail at scale {recipe.detail.scale}",
            "recipe",
        )


def _size(request: MaterialRequest) -> tuple[int, int] | None:
    return (request.size.width_px, request.size.height_px) if request.HasField("size") else None


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
    """Read the part of each pixel, at the size before upscaling, for a painted mixture.

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
    mask = read_picture(data, "the mask", colour=False, max_pixels=MAX_UPLOAD_PIXELS, field="mask")
    picture = Image.fromarray(_grey(mask.pixels))
    generated = recipe.before_upscaling()
    size_px = (generated.width_px, generated.height_px)
    values = np.asarray(picture.resize(size_px), np.float32)
    return np.round(values / 255.0 * (len(recipe.origin.parts) - 1)).astype(np.uint8)


def _grey(pixels: Pixels) -> NDArray[np.uint8]:
    """Return the samples of a mask, (H, W): of equal channels the first. Raises
    InvalidRequestError for a coloured picture.
    """
    if pixels.shape[2] >= 3 and np.ptp(pixels[..., :3].astype(np.int32), axis=2).max() > 0:
        raise InvalidRequestError("the mask is coloured: save it as grey", "mask")
    return np.asarray(from_unit(to_unit(pixels[..., 0]), np.uint8))

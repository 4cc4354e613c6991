# SPDX-License-Identifier: Apache-2.0
"""GenerateEnvironment: request -> a checked order."""

from __future__ import annotations

from texgen.errors import InvalidRequestError
from texgen.maps import MapKind
from texgen.modelcard import ModelCard
from texgen.pb import texgen_pb2 as pb
from texgen.recipes.build import make_recipe
from texgen.recipes.detail import panorama_size
from texgen.recipes.recipe import Recipe
from texgen.recipes.text import read_recipe, write_recipe
from texgen_server.engine.jobs import EnvironmentJob
from texgen_server.rpc.requests.order import Delivery, Host, Order, encoding_of
from texgen_server.rpc.requests.seed import seed_of

ENCODINGS = (pb.ENCODING_UNSPECIFIED, pb.ENCODING_EXR, pb.ENCODING_RAW)


def environment_orders(
    request: pb.GenerateEnvironmentRequest, card: ModelCard, host: Host
) -> list[Order]:
    """Check a request and make its one order. Raises InvalidRequestError."""
    recipe = _recipe(request, card)
    width_px = request.width_px or recipe.width_px
    if (width_px, width_px // 2) != (recipe.width_px, recipe.height_px):
        recipe = panorama_size(recipe, card, host.upscaler, width_px)
    host.check_size((recipe.width_px, recipe.height_px), "width_px")
    observer, helpers = host.observer(), host.helpers(recipe)
    job = EnvironmentJob(recipe, **host.job_options(request, observer, helpers))
    if request.encoding not in ENCODINGS:
        raise InvalidRequestError(
            "an environment is radiance: allowed encodings are exr and raw (PNG cannot hold it)",
            "encoding",
        )
    delivery = Delivery([MapKind.ENVIRONMENT], encoding_of(request.encoding or pb.ENCODING_EXR))
    return [Order(job, observer, write_recipe(recipe, card), delivery)]


def _recipe(request: pb.GenerateEnvironmentRequest, card: ModelCard) -> Recipe:
    """Read or make the recipe, at the network's own size unless it says another."""
    if request.recipe:
        if request.classes or request.HasField("seed") or request.controls:
            raise InvalidRequestError(
                "a recipe already says classes, seed and controls: give the recipe alone (and "
                "width_px)",
                "recipe",
            )
        return read_recipe(request.recipe, card)
    own = card.max_edge_px
    mix = [(c.name, c.weight) for c in request.classes]
    return make_recipe(
        card, mix, seed_of(request), (own, own // 2), controls=dict(request.controls)
    )

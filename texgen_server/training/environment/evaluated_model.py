# SPDX-License-Identifier: Apache-2.0
"""An environment model as an evaluation runs it: samples, training maps, layouts of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texgen.maps import Light
from texgen.modelcard import ModelCard, find_card
from texgen.recipes.build import make_recipe
from texgen_server.backends import load_backend
from texgen_server.environment.controls import apply_controls
from texgen_server.environment.render import PanoramaRenderer
from texgen_server.environment.scene import EnvironmentTables, Scene, make_scene
from texgen_server.registry import load_environment
from texgen_server.training.runner import EvalOptions

Array = NDArray[np.float32]


@dataclass(frozen=True)
class EvaluatedModel:
    """A model, its tables and a renderer on the device of the evaluation.

    Panoramas are (512, 1024, 3) radiance.
    """

    card: ModelCard
    tables: EnvironmentTables
    renderer: PanoramaRenderer

    @classmethod
    def load(cls, options: EvalOptions) -> EvaluatedModel:
        """Load the model that the command line names."""
        card = find_card(options.model, options.models)
        model = load_environment(card)
        backend = load_backend(model, options.device, "auto", options.cache)
        levels = len(card.network["widths"])
        return cls(
            card, model.tables, PanoramaRenderer(backend, card.network["noise_channels"], levels)
        )

    def render(self, scene: Scene) -> Array:
        """Return the panorama of a scene."""
        return np.asarray(self.renderer.panorama(scene)[0], np.float32)

    def sample(self, name: str, seed: int, **controls: float) -> Array:
        """Return a generated environment of a class."""
        edge = self.card.max_edge_px
        recipe = make_recipe(self.card, [(name, 1.0)], seed, (edge, edge // 2), controls=controls)
        scene = make_scene(recipe, self.tables)
        return self.render(apply_controls(scene, recipe.controls, self.tables))

    def training_map(self, row: int) -> Array:
        """Return the training map of a row, from its code and its stored layout and lights."""
        exposure = float(self.tables.exposures[row])
        lights = self.tables.lights_of(row)
        return self.render(self.scene(self.tables.layouts[row], row, lights, exposure))

    def scene(self, layout: Array, row: int, lights: list[Light], log2_exposure: float) -> Scene:
        """Return a scene with a layout, the codes of a row, and lights whose flux includes the
        exposure.
        """
        codes = np.stack([self.tables.codes[row]] * 2)
        gains = np.full(3, 2.0**log2_exposure, np.float32)
        bare = tuple(
            Light(v.azimuth_deg, v.elevation_deg, v.radius_deg, _divided(v.flux, gains))
            for v in lights
        )
        return Scene(layout, codes, bare, row, gains, 0.0, row)


def _divided(flux: tuple[float, float, float], gains: Array) -> tuple[float, float, float]:
    red, green, blue = (float(f / g) for f, g in zip(flux, gains, strict=True))
    return red, green, blue

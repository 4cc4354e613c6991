# SPDX-License-Identifier: Apache-2.0
"""The material model's controls as data: an export writes them into ``model.toml``, and a client
builds its sliders from them.
"""

from __future__ import annotations

from typing import Any

from texgen_server.training.model_folder import control

CONTROLS: list[dict[str, Any]] = [
    control(
        "tile_px",
        "Tile size",
        "Pixels that one tile of the material takes: a smaller value shows more, smaller features.",
        (128.0, 512.0, 1024.0),
        unit="px",
        post_process=False,
    ),
    control(
        "regularity",
        "Regularity",
        "Strength of the regular layout, such as brick courses and joints; 0 leaves only what "
        "is random.",
        (0.0, 1.0, 1.5),
        post_process=False,
    ),
    control(
        "relief_depth",
        "Relief depth",
        "Multiplies the height range, and with it the slopes of the normal map.",
        (0.0, 1.0, 4.0),
    ),
    control(
        "roughness_offset",
        "Roughness offset",
        "Added to the roughness map: negative is shinier.",
        (-0.5, 0.0, 0.5),
    ),
    control(
        "hue_shift",
        "Hue shift",
        "Turns the hue of the base colour (in OKLab).",
        (-180.0, 0.0, 180.0),
        unit="deg",
    ),
    control(
        "saturation",
        "Saturation",
        "Multiplies the chroma of the base colour (in OKLab); 0 is grey.",
        (0.0, 1.0, 2.0),
    ),
    control(
        "brightness",
        "Brightness",
        "Multiplies the lightness of the base colour (in OKLab).",
        (0.25, 1.0, 1.75),
    ),
    control(
        "contrast",
        "Contrast",
        "Spreads the lightness of the base colour around the material's mean.",
        (0.0, 1.0, 2.0),
    ),
    control(
        "tile_size_m",
        "Real tile size",
        "Edge of one tile in metres; changes no pixel, only the metadata and the displacement "
        "scale.",
        (0.01, 1.0, 100.0),
        unit="m",
    ),
]

LATENT_CONTROLS: dict[str, dict[str, Any]] = {
    entry["name"]: entry
    for entry in (
        control(
            "wetness",
            "Wetness",
            "Darker and shinier, as after rain: a direction of the latent space.",
            (-1.0, 0.0, 1.0),
            post_process=False,
        ),
        control(
            "wear",
            "Wear",
            "More contrast between worn and whole places: a direction of the latent space.",
            (-1.0, 0.0, 1.0),
            post_process=False,
        ),
        control(
            "moss",
            "Moss",
            "Greener: a direction of the latent space.",
            (-1.0, 0.0, 1.0),
            post_process=False,
        ),
        control(
            "age",
            "Age",
            "Yellowed and faded: a direction of the latent space.",
            (-1.0, 0.0, 1.0),
            post_process=False,
        ),
        control(
            "coarseness",
            "Coarseness",
            "Deeper, larger relief: a direction of the latent space.",
            (-1.0, 0.0, 1.0),
            post_process=False,
        ),
    )
}
"""Controls of latent directions; an export writes those that it has a direction for."""

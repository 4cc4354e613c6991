# SPDX-License-Identifier: Apache-2.0
"""Writes the model folder of an upscaler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from texgen_server.networks.params import CONTRAST_PX, UpscalerParams
from texgen_server.registry import NETWORK_PREFIX
from texgen_server.training.model_folder import write_folder


def write_upscaler(
    weights: dict[str, NDArray[Any]],
    params: UpscalerParams,
    folder: Path,
    version: str,
    data: dict[str, Any],
) -> None:
    """Write weights, named as in the torch module, in float16, and ``model.toml``."""
    tensors = {f"{NETWORK_PREFIX}{k}": v.astype(np.float16) for k, v in sorted(weights.items())}
    network = {
        "width": params.width,
        "depth": params.depth,
        "halo_px": params.halo_px,
        "contrast_px": CONTRAST_PX,
    }
    model = {"title": "Upscaler x2 and x4", "kind": "upscaler", "version": version}
    write_folder(
        folder,
        model,
        tensors,
        network,
        {"multiple_px": 1, "min_edge_px": 1, "max_edge_px": 16384},
        data,
        [],
        [],
    )

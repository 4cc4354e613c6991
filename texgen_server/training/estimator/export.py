# SPDX-License-Identifier: Apache-2.0
"""Writes the model folder of an estimator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from texgen_server.networks.params import EstimatorParams
from texgen_server.registry import NETWORK_PREFIX
from texgen_server.training.model_folder import write_folder
from texgen_server.training.state import network_tensors


def write_estimator(
    tensors: Mapping[str, Any],
    params: EstimatorParams,
    classes: Mapping[str, list[str]],
    folder: Path,
    version: str,
    data: dict[str, Any],
) -> None:
    """Write the averaged weights of a training state in float16, and ``model.toml``.

    ``classes`` gives the training materials of each class.
    """
    weights = {
        f"{NETWORK_PREFIX}{k}": v.astype(np.float16)
        for k, v in sorted(network_tensors(tensors, "ema").items())
    }
    network = {"classes": params.classes, "widths": list(params.widths)}
    listed = [
        {"name": name, "preset": False, "materials": members} for name, members in classes.items()
    ]
    model = {"title": "Estimator of missing maps", "kind": "estimator", "version": version}
    write_folder(
        folder,
        model,
        weights,
        network,
        {"multiple_px": 1, "min_edge_px": 1, "max_edge_px": 16384},
        data,
        listed,
        [],
    )

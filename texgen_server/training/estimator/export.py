# SPDX-License-Identifier: Apache-2.0
"""A training state of the estimator -> its model folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from texgen_server.networks.params import EstimatorParams
from texgen_server.registry import NETWORK_PREFIX
from texgen_server.training.model_folder import write_folder


def write_estimator(
    tensors: Mapping[str, Any],
    params: EstimatorParams,
    classes: Mapping[str, list[str]],
    folder: Path,
    version: str,
    data: dict[str, Any],
) -> None:
    """The averaged weights of a state, float16 in the file.

    ``classes`` names the training materials of each.
    """
    weights = {
        f"{NETWORK_PREFIX}{k[4:]}": v.astype(np.float16)
        for k, v in sorted(tensors.items())
        if k.startswith("ema/")
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

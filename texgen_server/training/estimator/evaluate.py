# SPDX-License-Identifier: Apache-2.0
"""Filled maps of held-out materials beside the mean of their class: what a texture gains from an
estimate instead of a constant.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from texgen.maps import MapKind, Pixels, seam_percentile, to_unit
from texgen.modelcard import ModelCard, find_card
from texgen_server.backend import Backend
from texgen_server.backends import load_backend
from texgen_server.material.postprocess import normal_from_height
from texgen_server.registry import load_model
from texgen_server.repair.missing_maps import FILLABLE, fill_maps
from texgen_server.repair.seam_detection import seam_axes
from texgen_server.repair.seams import make_tileable
from texgen_server.training.estimator.pictures import cropped, draw_filled, draw_repaired
from texgen_server.training.material.data import Pack
from texgen_server.training.runner import StepwiseEval

DENSITY = 512
GIVEN = {
    "from basecolor": (MapKind.BASECOLOR,),
    "from basecolor and normal": (MapKind.BASECOLOR, MapKind.NORMAL),
    "from basecolor and height": (MapKind.BASECOLOR, MapKind.HEIGHT),
}
PACK_CHANNELS = {
    MapKind.BASECOLOR: slice(0, 3),
    MapKind.HEIGHT: slice(3, 4),
    MapKind.ROUGHNESS: slice(4, 5),
} | {
    MapKind.METALLIC: slice(5, 6),
    MapKind.AO: slice(6, 7),
}

Picture = NDArray[np.float32]


def evaluate_estimator(
    options: StepwiseEval, pack: Pack, train: list[int], held: list[int]
) -> dict[str, Any]:
    """Case -> map -> root-mean-square error (normals: angle in degrees) of the filled map, and of
    the class mean map; means over materials.
    """
    card = find_card(options.model, options.models)
    backend = load_backend(load_model(card), options.device, "auto", options.cache)
    result: dict[str, Any] = {
        "model": card.id,
        "digest": card.digest,
        "engine": backend.name,
        "materials": len(held),
    }
    truths = {i: real_maps(pack, i) for i in held}
    means = {
        i: class_mean(pack, [t for t in train if pack.classes[t] == pack.classes[i]] or train)
        for i in held
    }
    scanned_ao = {
        i for i in held if (options.data / "materials" / pack.assets[i] / "ao.webp").is_file()
    }
    for case, given in GIVEN.items():
        for told in (False, True):
            rows: dict[str, list[tuple[float, float]]] = {}
            for i in held:
                share = (
                    class_share(card, pack.classes[i])
                    if told
                    else np.zeros(len(card.classes), np.float32)
                )
                for kind, filled in _filled(truths[i], given, backend, share).items():
                    if kind is not MapKind.AO or i in scanned_ao:
                        rows.setdefault(kind, []).append(
                            (
                                error(kind, filled, truths[i][kind]),
                                error(kind, means[i][kind], truths[i][kind]),
                            )
                        )
            result[case + (", class told" if told else "")] = {
                kind: _row(np.array(pairs)) for kind, pairs in rows.items()
            }
    result["seams of crops"] = _seams(truths)
    if options.pictures:
        draw_repaired(truths, {i: pack.assets[i] for i in held}, options.pictures)
        draw_filled(
            truths,
            {i: pack.assets[i] for i in held},
            backend,
            np.zeros(len(card.classes), np.float32),
            options.pictures,
        )
    return result


def _seams(truths: dict[int, dict[MapKind, Pixels]]) -> dict[str, float]:
    """Crops that do not tile, before and after: how often a seam is seen, and the mean percentile
    of the basecolor's seam.
    """
    before = [cropped(maps) for maps in truths.values()]
    after = [make_tileable(maps, (True, True)) for maps in before]
    out = {}
    for name, crops in (("before", before), ("after", after)):
        out[f"seen {name}"] = float(np.mean([any(seam_axes(maps)) for maps in crops]))
        out[f"percentile {name}"] = float(
            np.mean([seam_percentile(maps[MapKind.BASECOLOR]) for maps in crops])
        )
    return out


def _filled(
    truth: dict[MapKind, Pixels], given: tuple[MapKind, ...], backend: Backend, share: Picture
) -> dict[MapKind, Pixels]:
    return fill_maps({k: truth[k] for k in given}, FILLABLE, backend, share).maps


def _row(pairs: NDArray[np.float64]) -> dict[str, float]:
    ours, theirs = pairs.mean(0)
    return {
        "error": float(ours),
        "class mean": float(theirs),
        "nearer in": float((pairs[:, 0] < pairs[:, 1]).mean()),
        "materials": len(pairs),
    }


def real_maps(pack: Pack, index: int) -> dict[MapKind, Pixels]:
    """All six maps of a material at 512 px, in the dtypes of files."""
    stored = pack.maps[DENSITY][index].astype(np.float32) / np.float32(65535.0)
    maps: dict[MapKind, Pixels] = {}
    for kind, channels in PACK_CHANNELS.items():
        top, dtype = (65535.0, np.uint16) if kind is MapKind.HEIGHT else (255.0, np.uint8)
        maps[kind] = np.round(stored[channels] * top).astype(dtype).transpose(1, 2, 0)
    normal = normal_from_height(
        maps[MapKind.HEIGHT][..., 0].astype(np.uint16), float(pack.relief[index]) * DENSITY
    )
    maps[MapKind.NORMAL] = np.round((normal.transpose(1, 2, 0) * 0.5 + 0.5) * 255.0).astype(
        np.uint8
    )
    return maps


def class_mean(pack: Pack, members: list[int]) -> dict[MapKind, Pixels]:
    """Pixel by pixel the mean of materials; of the normals, the mean vectors made unit."""
    each = [real_maps(pack, i) for i in members]
    means: dict[MapKind, Pixels] = {}
    for kind in FILLABLE:
        mean = np.mean([m[kind] for m in each], 0, np.float64)
        if kind is MapKind.NORMAL:
            vectors = mean / 255.0 * 2.0 - 1.0
            mean = (vectors / np.linalg.norm(vectors, axis=2, keepdims=True) * 0.5 + 0.5) * 255.0
        rounded = np.round(mean)
        means[kind] = (
            rounded.astype(np.uint16) if kind is MapKind.HEIGHT else rounded.astype(np.uint8)
        )
    return means


def class_share(card: ModelCard, name: str) -> Picture:
    """(K,) 1 at a class."""
    return np.array([own == name for own in card.class_names()], np.float32)


def error(kind: MapKind, made: Pixels, real: Pixels) -> float:
    """Root of the mean squared difference of samples in [0, 1]; of normals the mean angle in
    degrees.
    """
    ours, theirs = to_unit(made), to_unit(real)
    if kind is MapKind.NORMAL:
        a, b = (v * 2.0 - 1.0 for v in (ours, theirs))
        cosine = (a * b).sum(2) / np.maximum(
            np.linalg.norm(a, axis=2) * np.linalg.norm(b, axis=2), 1e-6
        )
        return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))).mean())
    return float(np.sqrt(((ours - theirs) ** 2).mean()))

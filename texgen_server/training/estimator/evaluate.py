# SPDX-License-Identifier: Apache-2.0
"""Measures the estimator on held-out materials: errors of filled maps beside those of the class
mean, and seams of crops that are made tileable.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from texgen.maps import FILLABLE, MapKind, Pixels, from_unit, to_unit
from texgen.modelcard import ModelCard, find_card
from texgen.seams import seam_percentile
from texgen_server.backend import Backend
from texgen_server.backends import load_backend
from texgen_server.material.postprocess import normal_from_height
from texgen_server.registry import load_model
from texgen_server.repair.missing_maps import fill_maps
from texgen_server.repair.seam_detection import seam_axes
from texgen_server.repair.seams import make_tileable
from texgen_server.training.estimator.pictures import cropped, draw_filled, draw_repaired
from texgen_server.training.material.data import PACK_CHANNELS, Pack
from texgen_server.training.runner import EvalOptions

DENSITY = 512
"""Density (px per tile) of the maps that are judged."""
CASES = {
    "from basecolor": (MapKind.BASECOLOR,),
    "from basecolor and normal": (MapKind.BASECOLOR, MapKind.NORMAL),
    "from basecolor and height": (MapKind.BASECOLOR, MapKind.HEIGHT),
}
"""Name of a case -> the maps that are given."""

Picture = NDArray[np.float32]
Maps = dict[MapKind, Pixels]


def evaluate_estimator(
    options: EvalOptions, pack: Pack, train: list[int], held: list[int]
) -> dict[str, Any]:
    """Return for each case and map the root-mean-square error (of normals the mean angle in
    degrees) of the filled map and of the class mean, as means over materials.
    """
    card = find_card(options.model, options.models)
    backend = load_backend(load_model(card), options.device, "auto", options.cache)
    truths = {i: real_maps(pack, i) for i in held}
    means = {i: class_mean(pack, _members(pack, train, i)) for i in held}
    folder = options.data / "materials"
    scanned_ao = {i for i in held if (folder / pack.assets[i] / "ao.webp").is_file()}
    result: dict[str, Any] = {
        "model": card.id,
        "digest": card.digest,
        "engine": backend.name,
        "materials": len(held),
    }
    no_class = np.zeros(len(card.classes), np.float32)
    shares = {i: class_share(card, pack.classes[i]) for i in held}
    for case, given in CASES.items():
        for name, share_of in (
            (case, dict.fromkeys(held, no_class)),
            (f"{case}, class told", shares),
        ):
            filled = {i: _filled(truths[i], given, backend, share_of[i]) for i in held}
            result[name] = _errors(filled, truths, means, scanned_ao)
    result["seams of crops"] = _seams(truths)
    if options.pictures:
        names = {i: pack.assets[i] for i in held}
        draw_repaired(truths, names, options.pictures)
        draw_filled(truths, names, backend, no_class, options.pictures)
    return result


def _members(pack: Pack, train: list[int], index: int) -> list[int]:
    """Return the training materials of a material's class; all where the class has none."""
    return [t for t in train if pack.classes[t] == pack.classes[index]] or train


def _errors(
    filled: dict[int, Maps], truths: dict[int, Maps], means: dict[int, Maps], scanned_ao: set[int]
) -> dict[MapKind, dict[str, float]]:
    """Return figures for each map; ambient occlusion counts only where it was scanned."""
    rows: dict[MapKind, list[tuple[float, float]]] = {}
    for i, maps in filled.items():
        for kind, made in maps.items():
            if kind is not MapKind.AO or i in scanned_ao:
                real = truths[i][kind]
                pair = error(kind, made, real), error(kind, means[i][kind], real)
                rows.setdefault(kind, []).append(pair)
    return {kind: _row(np.array(pairs)) for kind, pairs in rows.items()}


def _seams(truths: dict[int, Maps]) -> dict[str, float]:
    """Return for crops that do not tile, before and after repair, the share whose seam is seen and
    the mean percentile of the basecolor's seam.
    """
    before = [cropped(maps) for maps in truths.values()]
    after = [make_tileable(maps, (True, True)) for maps in before]
    out = {}
    for name, crops in (("before", before), ("after", after)):
        out[f"seen {name}"] = float(np.mean([any(seam_axes(maps)) for maps in crops]))
        percentiles = [seam_percentile(maps[MapKind.BASECOLOR]) for maps in crops]
        out[f"percentile {name}"] = float(np.mean(percentiles))
    return out


def _filled(truth: Maps, given: tuple[MapKind, ...], backend: Backend, share: Picture) -> Maps:
    return fill_maps({k: truth[k] for k in given}, FILLABLE, backend, share).maps


def _row(pairs: NDArray[np.float64]) -> dict[str, float]:
    """Return the figures of (N, 2) errors of the estimate and of the class mean."""
    ours, theirs = pairs.mean(0)
    return {
        "error": float(ours),
        "class mean": float(theirs),
        "nearer in": float((pairs[:, 0] < pairs[:, 1]).mean()),
        "materials": len(pairs),
    }


def real_maps(pack: Pack, index: int) -> Maps:
    """Return all six maps of a material at 512 px, in the dtypes of files."""
    stored = to_unit(pack.maps[DENSITY][index])
    maps: Maps = {}
    for kind, channels in PACK_CHANNELS.items():
        dtype = np.uint16 if kind is MapKind.HEIGHT else np.uint8
        maps[kind] = _rounded(stored[channels], dtype)
    normal = normal_from_height(
        maps[MapKind.HEIGHT][..., 0].astype(np.uint16), float(pack.relief[index]) * DENSITY
    )
    maps[MapKind.NORMAL] = _rounded(normal * 0.5 + 0.5, np.uint8)
    return maps


def _rounded(planes: Picture, dtype: DTypeLike) -> Pixels:
    """Round (C, H, W) in [0, 1] to (H, W, C) in the dtype of files."""
    return from_unit(planes, dtype, half_to_even=True).transpose(1, 2, 0)


def class_mean(pack: Pack, members: list[int]) -> Maps:
    """Return the mean of materials, pixel by pixel; of normals the mean vectors, made unit."""
    each = [real_maps(pack, i) for i in members]
    means: Maps = {}
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
    """Return (K,), 1 at a class and 0 elsewhere."""
    return np.array([own == name for own in card.class_names()], np.float32)


def error(kind: MapKind, made: Pixels, real: Pixels) -> float:
    """Return the root of the mean squared difference of samples in [0, 1]; of normals the mean
    angle in degrees.
    """
    ours, theirs = to_unit(made), to_unit(real)
    if kind is MapKind.NORMAL:
        a, b = (v * 2.0 - 1.0 for v in (ours, theirs))
        cosine = (a * b).sum(2) / np.maximum(
            np.linalg.norm(a, axis=2) * np.linalg.norm(b, axis=2), 1e-6
        )
        return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))).mean())
    return float(np.sqrt(((ours - theirs) ** 2).mean()))

# SPDX-License-Identifier: Apache-2.0
"""Measures the material model: the metrics of the model card, in EfficientNet-lite1 features, which
training never saw.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from texgen.maps import MapKind, to_unit
from texgen.modelcard import find_card
from texgen.recipes.build import make_recipe
from texgen.seams import seam_percentile
from texgen_server.backends.torch_backend import TorchBackend
from texgen_server.material.canvas import Window
from texgen_server.material.sampling import make_plan
from texgen_server.material.sources import plain_source
from texgen_server.material.synthesis import Synthesis
from texgen_server.networks.channels import BASECOLOR
from texgen_server.networks.frozen_features import TAP_CHANNELS, FrozenFeatures
from texgen_server.precision import EXACT
from texgen_server.registry import MaterialModel, load_material
from texgen_server.training import metrics
from texgen_server.training.catalog import read_catalog, read_split, split_rows
from texgen_server.training.devices import evaluation_device
from texgen_server.training.material.data import Pack, prepared_pack
from texgen_server.training.material.pictures import write_pictures
from texgen_server.training.material.samples import lit

Vectors = NDArray[np.float64]


MIXED_SEED, CLASS_SEED = 5000, 1000
"""First seeds of mixed samples and of samples of classes."""
EMBED_BATCH = 16
VIEWS = ("basecolor", "rendered")
"""Pictures of maps that are judged."""

Sample = tuple[Tensor, Tensor]
"""Maps (N, 7, S, S) in [0, 1] and the relief (N,) of each in tiles."""


@dataclass(frozen=True)
class MaterialEvalOptions:
    """The command line of ``texgen eval material``."""

    data: Path
    work: Path
    models: Path | None = None
    model: str = "material"
    size_px: int = 256
    device: str = "auto"


class Embedder:
    """Pictures as vectors: mean and deviation of the lite1 taps."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.features = FrozenFeatures("efficientnet-lite1").to(device)

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> Vectors:
        """Return vectors (N, D) of pictures (N, 3, H, W) in [0, 1]."""
        rows = []
        for part in pictures.split(EMBED_BATCH):
            taps = [t.float() for t in self.features(part.to(self.device) * 2.0 - 1.0)]
            rows.append(torch.cat([m for t in taps for m in (t.mean((2, 3)), t.std((2, 3)))], 1))
        return torch.cat(rows).double().cpu().numpy()


def evaluate_material(options: MaterialEvalOptions) -> dict[str, Any]:
    """Measure a model: KID excess, precision, recall and coverage, retrieval, classes, spectrum,
    seams.
    """
    pack = prepared_pack(options.data, read_catalog(options.data), options.work / "pack")
    model = load_material(find_card(options.model, options.models))
    device = evaluation_device(options.device)
    backend = TorchBackend(model, str(device))
    train, held = split_rows(pack.assets, read_split())
    size_px, embed = options.size_px, Embedder(device)
    samples = {
        "train": _real(pack, train, size_px),
        "validation": _real(pack, held, size_px),
        "own": _generate_rows(model, backend, [pack.assets[i] for i in train], size_px),
        "new": _generate_classes(model, backend, [pack.classes[i] for i in train], size_px),
    }
    real = samples["train"][0]
    samples["flat"] = real.mean((2, 3), keepdim=True).expand_as(real), samples["train"][1]
    labels = np.array([sorted(set(pack.classes)).index(c) for c in pack.classes])
    result: dict[str, Any] = {
        "model": model.card.id,
        "digest": model.card.digest,
        "size_px": size_px,
        "assets": {"train": len(train), "validation": len(held)},
    }
    for view in VIEWS:
        vectors = {name: embed(_view(view, sample)) for name, sample in samples.items()}
        result[view] = _scores(vectors, labels[train], labels[held])
    mixed, _ = _generate_mixed(model, backend, size_px)
    result["novelty"] = metrics.novelty(embed(mixed[:, BASECOLOR]), embed(real[:, BASECOLOR]))
    result["spectrum_distance"] = _spectrum_distances(samples["own"][0], real)
    result["seams"] = seams(model, backend)
    return result


def _view(name: str, sample: Sample) -> Tensor:
    """Return pictures (N, 3, S, S) in [0, 1] of maps: their basecolor, or the maps lit."""
    maps, relief = sample
    if name == "basecolor":
        return maps[:, BASECOLOR]
    return _stack(lit(maps, relief * maps.shape[-1]))


def _spectrum_distances(own: Tensor, real: Tensor) -> dict[str, float]:
    """Return the spectral distance of generated materials, and of other materials, from the real
    ones.
    """
    made, scans, others = (m[:, BASECOLOR].mean(1).numpy() for m in (own, real, real.roll(1, 0)))
    return {
        "generated": metrics.spectrum_distance(made, scans),
        "other material": metrics.spectrum_distance(others, scans),
    }


def draw_pictures(options: MaterialEvalOptions, folder: Path) -> None:
    """Write the card's pictures: generated beside real for every class, and the preview."""
    pack = prepared_pack(options.data, read_catalog(options.data), options.work / "pack")
    model = load_material(find_card(options.model, options.models))
    backend = TorchBackend(model, str(evaluation_device(options.device)))
    write_pictures(model, backend, pack, folder)


def _scores(
    vectors: dict[str, Vectors], labels: NDArray[np.int64], held_labels: NDArray[np.int64]
) -> dict[str, Any]:
    """Return all feature-space metrics of one view.

    Vectors are named as their samples: ``own`` from each training material's code, ``new`` from the
    classes.
    """
    split = np.random.default_rng(0).permutation(len(vectors["train"]))
    half_a, half_b = split[: len(split) // 2], split[len(split) // 2 :]
    train, flat = vectors["train"], vectors["flat"]
    scores: dict[str, Any] = {}
    for name in ("own", "new"):
        made = vectors[name]
        sets = (made[half_b], train[half_a], train[half_b], flat[half_b])
        scores[f"kid_excess_{name}_all_taps"] = metrics.kid_excess(*sets)
        pooled = [_pooled(v) for v in sets]
        scores[f"kid_excess_{name}"] = metrics.kid_excess(*pooled)
        scores[f"kid_excess_{name}_interval"] = metrics.bootstrap_interval(*pooled)
        held = [_pooled(v) for v in (made, vectors["validation"], train, flat)]
        scores[f"kid_excess_{name}_validation"] = metrics.kid_excess(*held)
        scores[f"kid_excess_{name}_validation_interval"] = metrics.bootstrap_interval(*held)
        scores[f"manifold_{name}"] = metrics.precision_recall_coverage(made, train)
        scores[f"class_agreement_{name}"] = metrics.class_agreement(made, labels, train, labels)
    scores["class_agreement_validation"] = metrics.class_agreement(
        vectors["validation"], held_labels, train, labels
    )
    scores["retrieval"] = metrics.retrieval(vectors["own"], train)
    return scores


def _pooled(vectors: Vectors) -> Vectors:
    """Return the mean of the deepest tap alone: the features that KID is usually computed in."""
    deepest = TAP_CHANNELS[-1]
    return vectors[:, -2 * deepest : -deepest]


def _real(pack: Pack, index: list[int], size_px: int) -> Sample:
    return torch.from_numpy(to_unit(pack.maps[size_px][index])), pack.relief[index]


def _stack(pictures: list[NDArray[np.uint8]]) -> Tensor:
    return torch.from_numpy(to_unit(np.stack(pictures))).permute(0, 3, 1, 2)


def _generate_rows(
    model: MaterialModel, backend: TorchBackend, assets: list[str], size_px: int
) -> Sample:
    """Generate one tile of each training material from its own code."""
    members = [a for c in model.card.classes for a in c.materials]
    made = []
    for number, asset in enumerate(assets):
        recipe = make_recipe(
            model.card, [(model.card.classes[0].name, 1.0)], number, (size_px, size_px)
        )
        row = members.index(asset)
        source = plain_source(
            recipe, model.tables.codes[row : row + 1], [(row, 1.0)], model.tables, model.shape
        )
        plan = replace(make_plan(recipe, model.tables, model.shape), sources=(source,))
        made.append(Synthesis(backend, model.shape).raw(plan))
    return _joined(made)


def _generate_classes(
    model: MaterialModel, backend: TorchBackend, classes: list[str], size_px: int
) -> Sample:
    """Generate one sample for each entry of ``classes``, as a user gets it from class and seed."""
    made = []
    for number, name in enumerate(classes):
        recipe = make_recipe(
            model.card, [(exported_name(model, name), 1.0)], CLASS_SEED + number, (size_px, size_px)
        )
        made.append(
            Synthesis(backend, model.shape).raw(make_plan(recipe, model.tables, model.shape))
        )
    return _joined(made)


def _generate_mixed(
    model: MaterialModel, backend: TorchBackend, size_px: int, per_class: int = 4
) -> Sample:
    """Generate samples half way between two training materials of each class that has several."""
    made = []
    for c in model.card.classes:
        rows = model.tables.rows[c.name]
        for seed in range(per_class if len(rows) > 1 else 0):
            first, second = np.random.default_rng(seed).choice(rows, 2, replace=False)
            recipe = make_recipe(model.card, [(c.name, 1.0)], MIXED_SEED + seed, (size_px, size_px))
            code = (model.tables.codes[first] + model.tables.codes[second])[None] / 2
            source = plain_source(recipe, code, [(int(first), 1.0)], model.tables, model.shape)
            plan = replace(make_plan(recipe, model.tables, model.shape), sources=(source,))
            made.append(Synthesis(backend, model.shape).raw(plan))
    return _joined(made)


def _joined(made: list[tuple[NDArray[np.float32], float]]) -> Sample:
    return torch.from_numpy(np.stack([m for m, _ in made])), torch.tensor([r for _, r in made])


def exported_name(model: MaterialModel, name: str) -> str:
    """Return a class's name in the model; presets of which there are several carry a number."""
    known = model.card.class_names()
    return name if name in known else f"{name}_1"


def seams(
    model: MaterialModel, backend: TorchBackend, samples: int = 12, size_px: int = 512
) -> dict[str, float]:
    """Return seam percentiles of finished maps over several classes: the median and the share at
    100 (a seam as sharp as the sharpest edge).
    """
    values = []
    for seed, c in enumerate(model.card.classes[:samples]):
        recipe = make_recipe(model.card, [(c.name, 1.0)], seed, (size_px, size_px))
        maps, _ = Synthesis(backend, model.shape).maps(make_plan(recipe, model.tables, model.shape))
        values += [
            seam_percentile(maps[k])
            for k in (MapKind.BASECOLOR, MapKind.NORMAL, MapKind.ROUGHNESS, MapKind.HEIGHT)
        ]
    return {
        "seam_percentile_median": float(np.median(values)),
        "share_at_100": float(np.mean(np.array(values) >= 100.0)),
        "roll_equivariance_error_f32": roll_error(model, str(backend.device)),
    }


def roll_error(model: MaterialModel, device: str, size_px: int = 512) -> float:
    """Return the largest difference, in float32, between rolling the inputs by one cell and rolling
    the output by 32 px.
    """
    backend = TorchBackend(model, device, EXACT)
    recipe = make_recipe(model.card, [(model.card.classes[0].name, 1.0)], 3, (size_px, size_px))
    plan = make_plan(recipe, model.tables, model.shape)
    synthesis = Synthesis(backend, model.shape)
    assert plan.canvas.period is not None
    plain, moved = (synthesis.window(plan, Window(-n, -n, *plan.canvas.period)) for n in (0, 1))
    cell = model.shape.cell_px
    return float(np.abs(np.roll(plain, cell, (1, 2)) - moved).max())

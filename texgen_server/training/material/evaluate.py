# SPDX-License-Identifier: Apache-2.0
"""``texgen eval material``: the metrics table of the model card, in EfficientNet-lite1 features
that training never saw.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from texgen.maps import MapKind, seam_percentile
from texgen.modelcard import find_card
from texgen.recipes.build import make_recipe
from texgen_server.backends.torch_backend import TorchBackend
from texgen_server.material.canvas import Window
from texgen_server.material.sampling import make_plan
from texgen_server.material.sources import plain_source
from texgen_server.material.synthesis import Synthesis
from texgen_server.networks.frozen_features import TAP_CHANNELS, FrozenFeatures
from texgen_server.precision import EXACT
from texgen_server.registry import MaterialModel, load_material
from texgen_server.training import metrics
from texgen_server.training.catalog import read_catalog, read_split
from texgen_server.training.material.data import Pack
from texgen_server.training.material.pictures import write_pictures
from texgen_server.training.material.run import prepared_pack
from texgen_server.training.material.samples import lit

Vectors = NDArray[np.float64]


@dataclass(frozen=True)
class EvalOptions:
    """What the command line says."""

    data: Path
    work: Path
    models: Path | None = None
    model: str = "material"
    size_px: int = 256


class Embedder:
    """Pictures -> vectors: mean and deviation of the lite1 taps."""

    def __init__(self) -> None:
        self.features = FrozenFeatures("efficientnet-lite1")

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> Vectors:
        """(N, 3, H, W) in [0, 1] -> (N, D)."""
        rows = []
        for part in pictures.split(16):
            taps = [t.float() for t in self.features(part * 2.0 - 1.0)]
            rows.append(torch.cat([m for t in taps for m in (t.mean((2, 3)), t.std((2, 3)))], 1))
        return torch.cat(rows).double().numpy()


def evaluate_material(options: EvalOptions) -> dict[str, Any]:
    """Measure a model: KID excess, precision/recall/coverage, retrieval, classes,
    spectrum, seams.
    """
    assets = read_catalog(options.data)
    held = read_split()
    pack = prepared_pack(options.data, assets, options.work / "pack")
    model = load_material(find_card(options.model, options.models))
    backend = TorchBackend(model, "cpu")
    train = [i for i, name in enumerate(pack.assets) if name not in held]
    validation = [i for i, name in enumerate(pack.assets) if name in held]
    real = {
        "train": _real(pack, train, options.size_px),
        "validation": _real(pack, validation, options.size_px),
    }
    own = _generate_rows(model, backend, [pack.assets[i] for i in train], options.size_px)
    new = _generate_classes(model, backend, [pack.classes[i] for i in train], options.size_px)
    relief = {"train": pack.relief[train], "validation": pack.relief[validation]}
    views = {
        "basecolor": lambda maps, _: maps[:, :3],
        "rendered": lambda maps, scale: _stack(lit(maps, scale * options.size_px)),
    }
    embed = Embedder()
    result: dict[str, Any] = {
        "model": model.card.id,
        "digest": model.card.digest,
        "size_px": options.size_px,
    }
    result["assets"] = {"train": len(train), "validation": len(validation)}
    labels = np.array([sorted(set(pack.classes)).index(c) for c in pack.classes])
    for name, view in views.items():
        vectors = {
            "train": embed(view(real["train"], relief["train"])),
            "validation": embed(view(real["validation"], relief["validation"])),
            "own": embed(view(own[0], own[1])),
            "new": embed(view(new[0], new[1])),
        }
        flat = real["train"].mean((2, 3), keepdim=True).expand_as(real["train"])
        vectors["flat"] = embed(view(flat, relief["train"]))
        result[name] = _scores(vectors, labels[train], labels[validation])
    mixed = _generate_mixed(model, backend, options.size_px)
    result["novelty"] = metrics.novelty(embed(mixed[0][:, :3]), embed(real["train"][:, :3]))
    luminance = [
        m[:, :3].mean(1).numpy() for m in (own[0], real["train"], real["train"].roll(1, 0))
    ]
    result["spectrum_distance"] = {
        "generated": metrics.spectrum_distance(luminance[0], luminance[1]),
        "other material": metrics.spectrum_distance(luminance[2], luminance[1]),
    }
    result["seams"] = seams(model, backend)
    return result


def draw_pictures(options: EvalOptions, folder: Path) -> None:
    """The card's pictures: generated beside real for every class, and the preview."""
    pack = prepared_pack(options.data, read_catalog(options.data), options.work / "pack")
    model = load_material(find_card(options.model, options.models))
    write_pictures(model, TorchBackend(model, "cpu"), pack, folder)


def _scores(
    vectors: dict[str, Vectors], labels: NDArray[np.int64], held_labels: NDArray[np.int64]
) -> dict[str, Any]:
    """All feature-space metrics of one view.

    ``own``: each training material's code; ``new``: samples of the classes.
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
    """The mean of the deepest tap alone: the pooled features that KID is usually computed in."""
    deepest = TAP_CHANNELS[-1]
    return vectors[:, -2 * deepest : -deepest]


def _real(pack: Pack, index: list[int], size_px: int) -> Tensor:
    maps = pack.maps[size_px][index].astype(np.float32) / 65535.0
    return torch.from_numpy(maps)


def _stack(pictures: list[NDArray[np.uint8]]) -> Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255.0


def _generate_rows(
    model: MaterialModel, backend: TorchBackend, assets: list[str], size_px: int
) -> tuple[Tensor, Tensor]:
    """One tile of each training material from its own code: maps (N, 7, S, S) and relief (N,)."""
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
    return torch.from_numpy(np.stack([m for m, _ in made])), torch.tensor([r for _, r in made])


def _generate_classes(
    model: MaterialModel, backend: TorchBackend, classes: list[str], size_px: int
) -> tuple[Tensor, Tensor]:
    """One sample for each entry of ``classes``, as a user gets it from class and seed."""
    made = []
    for number, name in enumerate(classes):
        recipe = make_recipe(
            model.card, [(exported_name(model, name), 1.0)], 1000 + number, (size_px, size_px)
        )
        made.append(
            Synthesis(backend, model.shape).raw(make_plan(recipe, model.tables, model.shape))
        )
    return torch.from_numpy(np.stack([m for m, _ in made])), torch.tensor([r for _, r in made])


def _generate_mixed(
    model: MaterialModel, backend: TorchBackend, size_px: int, per_class: int = 4
) -> tuple[Tensor, Tensor]:
    """Samples half way between two training materials of each class that has several."""
    made = []
    for c in model.card.classes:
        rows = model.tables.rows[c.name]
        for seed in range(per_class if len(rows) > 1 else 0):
            first, second = np.random.default_rng(seed).choice(rows, 2, replace=False)
            recipe = make_recipe(model.card, [(c.name, 1.0)], 5000 + seed, (size_px, size_px))
            code = (model.tables.codes[first] + model.tables.codes[second])[None] / 2
            source = plain_source(recipe, code, [(int(first), 1.0)], model.tables, model.shape)
            plan = replace(make_plan(recipe, model.tables, model.shape), sources=(source,))
            made.append(Synthesis(backend, model.shape).raw(plan))
    return torch.from_numpy(np.stack([m for m, _ in made])), torch.tensor([r for _, r in made])


def exported_name(model: MaterialModel, name: str) -> str:
    """A class's name in the model (presets of which there are several carry a number)."""
    known = model.card.class_names()
    return name if name in known else f"{name}_1"


def seams(
    model: MaterialModel, backend: TorchBackend, samples: int = 12, size_px: int = 512
) -> dict[str, float]:
    """Seam percentiles of finished maps over several classes: the median and the share at 100 (a
    seam as sharp as the sharpest edge).
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
        "roll_equivariance_error_f32": roll_error(model),
    }


def roll_error(model: MaterialModel, size_px: int = 512) -> float:
    """Largest difference, in fp32, between rolling the inputs by one cell and rolling the output by
    32 px; both passes, at this size.
    """
    backend = TorchBackend(model, "cpu", EXACT)
    recipe = make_recipe(model.card, [(model.card.classes[0].name, 1.0)], 3, (size_px, size_px))
    plan = make_plan(recipe, model.tables, model.shape)
    synthesis = Synthesis(backend, model.shape)
    assert plan.canvas.period is not None
    plain, moved = (synthesis.window(plan, Window(-n, -n, *plan.canvas.period)) for n in (0, 1))
    cell = model.shape.cell_px
    return float(np.abs(np.roll(plain, cell, (1, 2)) - moved).max())


def report(result: dict[str, Any], *, as_json: bool) -> str:
    """The result as one JSON object, or as an indented table."""
    if as_json:
        return json.dumps(result) + "\n"
    return "\n".join(_lines(result, 0)) + "\n"


def _lines(value: dict[str, Any], depth: int) -> list[str]:
    out = []
    for key, item in value.items():
        if isinstance(item, dict):
            out += ["  " * depth + key, *_lines(item, depth + 1)]
        else:
            shown = (
                f"{item:.4g}"
                if isinstance(item, float)
                else ", ".join(f"{v:.3f}" for v in item)
                if isinstance(item, tuple)
                else str(item)
            )
            out.append(f"{'  ' * depth}{key:<{44 - 2 * depth}}{shown}")
    return out

# SPDX-License-Identifier: Apache-2.0
"""Writes the page of ``texgen eval material --blind``, which works offline and asks a person which
pictures are real, and of what class.
"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from texgen.maps import to_unit
from texgen.modelcard import find_card
from texgen.recipes.build import make_recipe
from texgen_server.backends.torch_backend import TorchBackend
from texgen_server.material.sampling import make_plan
from texgen_server.material.synthesis import Synthesis
from texgen_server.registry import MaterialModel, load_material
from texgen_server.training.catalog import read_catalog, read_split
from texgen_server.training.devices import evaluation_device
from texgen_server.training.material.data import Pack, prepared_pack
from texgen_server.training.material.evaluate import MaterialEvalOptions, exported_name
from texgen_server.training.material.samples import lit

TEMPLATE = Path(__file__).with_name("blind.html")
TILE_PX = 512
FIRST_SEED = 9000
"""Seed of the first sample."""
WEBP_QUALITY = 80


def write_blind_page(options: MaterialEvalOptions, path: Path, seed: int = 0) -> None:
    """Write one file with all held-out scans and as many samples of the same classes, in random
    order.
    """
    assets = read_catalog(options.data)
    pack = prepared_pack(options.data, assets, options.work / "pack")
    model = load_material(find_card(options.model, options.models))
    rng = np.random.default_rng(seed)
    held = [i for i, name in enumerate(pack.assets) if name in read_split()]
    backend = TorchBackend(model, str(evaluation_device(options.device)))
    items = []
    for number, index in enumerate(held):
        name, sample_seed = pack.classes[index], FIRST_SEED + number
        sample = _sample(model, backend, name, sample_seed)
        items.append(_item("real", name, pack.assets[index], _scan(pack, index)))
        items.append(_item("generated", name, f"seed {sample_seed}", sample))
    ordered = [items[i] for i in rng.permutation(len(items))]
    classes = sorted({pack.classes[i] for i in held})
    page = TEMPLATE.read_text(encoding="utf-8")
    for mark, value in (
        ("/*ITEMS*/[]", ordered),
        ("/*CLASSES*/[]", classes),
        ('/*DIGEST*/""', model.card.digest[:12]),
    ):
        page = page.replace(mark, json.dumps(value))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def _item(origin: str, name: str, identity: str, picture: NDArray[np.uint8]) -> dict[str, str]:
    return {"origin": origin, "class": name, "id": identity, "picture": _url(picture)}


def _scan(pack: Pack, index: int) -> NDArray[np.uint8]:
    maps = torch.from_numpy(to_unit(pack.maps[TILE_PX][index]))[None]
    return lit(maps, pack.relief[index : index + 1] * TILE_PX)[0]


def _sample(model: MaterialModel, backend: TorchBackend, name: str, seed: int) -> NDArray[np.uint8]:
    recipe = make_recipe(model.card, [(exported_name(model, name), 1.0)], seed, (TILE_PX, TILE_PX))
    plan = make_plan(recipe, model.tables, model.shape)
    raw, relief = Synthesis(backend, model.shape).raw(plan)
    return lit(torch.from_numpy(raw)[None], torch.tensor([relief * plan.canvas.tile_px]))[0]


def _url(picture: NDArray[np.uint8]) -> str:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "WEBP", quality=WEBP_QUALITY)
    return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode()

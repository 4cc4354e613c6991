# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
import pickle
import shutil

import numpy as np
import pytest
import torch

from texgen.errors import LoadError
from texgen.modelcard import read_card
from texgen_server.registry import load_material, read_weights


@pytest.fixture
def folder(models, tmp_path):
    return shutil.copytree(models / "material", tmp_path / "material")


def test_weights_are_what_the_card_says(folder):
    model = load_material(read_card(folder))
    assert len(model.tables.codes) == sum(len(c.materials) for c in model.card.classes)
    assert model.tables.rows["brick"] == (3, 4, 5, 6)
    assert all(v.dtype == np.float32 for v in model.weights.values())


def test_a_flipped_bit_names_the_file(folder):
    path = folder / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    with pytest.raises(LoadError, match=r"weights\.safetensors is damaged"):
        load_material(read_card(folder))


def test_a_missing_file_is_named(folder):
    (folder / "weights.safetensors").unlink()
    with pytest.raises(LoadError, match=r"weights\.safetensors"):
        load_material(read_card(folder))


class Bomb:
    def __reduce__(self):
        return print, ("executed",)


@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_a_pickle_is_refused_unread(tmp_path, capsys, kind):
    path = tmp_path / "weights.safetensors"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Bomb()))
    else:
        torch.save({"w": torch.zeros(3)}, path)
    with pytest.raises(LoadError, match="not a safetensors file"):
        read_weights(path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert "executed" not in capsys.readouterr().out
    with pytest.raises(LoadError, match="refused"):
        read_weights(tmp_path / "weights.pt", "")


def test_no_code_path_reads_pickles(folder):
    header = json.dumps({}).encode()
    path = folder / "x.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    assert read_weights(path, hashlib.sha256(path.read_bytes()).hexdigest()) == {}

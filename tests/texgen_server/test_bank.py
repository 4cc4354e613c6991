# SPDX-License-Identifier: Apache-2.0
"""The bank's file."""

from __future__ import annotations

import numpy as np
import pytest

from texgen.errors import LoadError
from texgen_server.bank import Bank, BankExemplar, pack_latents, unpack_latents, write_bank


def laplace(shape, scale, seed=0):
    return np.round(np.random.default_rng(seed).laplace(0.0, scale, shape)).astype(np.int16)


def entropy_bytes(latents):
    total = 0.0
    for plane in latents.reshape(-1, latents.shape[-1]).T:
        share = np.unique(plane, return_counts=True)[1] / plane.size
        total -= (share * np.log2(share)).sum() * plane.size
    return total / 8


def exemplar(name, cells):
    return BankExemplar(
        name,
        name,
        "brick",
        cells,
        1.6,
        0.02,
        (0.5,) * 9,
        {"metallic": 0.0},
        4,
        True,
        "CC0-1.0",
        "nobody",
        "nowhere",
        {"family": "L2"},
    )


@pytest.mark.parametrize(("scale", "excess"), [(1.0, 1.3), (4.0, 1.15), (90.0, 9.0)])
def test_latents_come_back_and_cost_about_their_entropy(scale, excess):
    """Worst where hardly anything but zeros is left; real latents are larger, and neighbours
    resemble each other.
    """
    latents = laplace((64, 64, 8), scale) * np.asarray([4, 3, 2, 1, 1, 1, 1, 1], np.int16)
    data = pack_latents(latents)
    assert np.array_equal(unpack_latents(data, latents.shape), latents)
    assert len(data) < excess * entropy_bytes(latents) + 64


def test_a_bank_gives_back_what_was_written(tmp_path):
    cells = {"a": (8, 12), "b": (16, 8)}
    latents = {
        name: laplace((*size, 4), 3.0, seed) for seed, (name, size) in enumerate(cells.items())
    }
    path = tmp_path / "bank.safetensors"
    size = write_bank(path, [(exemplar(n, cells[n]), latents[n], n.encode()) for n in ("b", "a")])
    assert size == path.stat().st_size
    bank = Bank(path)
    assert list(bank.exemplars) == ["a", "b"]
    for name in cells:
        assert bank.exemplars[name] == exemplar(name, cells[name])
        assert np.array_equal(bank.latents(name), latents[name])
        assert bank.thumbnail(name) == name.encode()
    with pytest.raises(LoadError, match="no exemplar 'c'"):
        bank.latents("c")


def test_the_same_exemplars_give_the_same_bytes(tmp_path):
    items = [(exemplar(n, (8, 8)), laplace((8, 8, 4), 3.0, i), b"") for i, n in enumerate("abc")]
    for name, order in (("one", items), ("two", items[::-1])):
        write_bank(tmp_path / name, order)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_damage_and_bombs_are_refused(tmp_path):
    latents = laplace((16, 16, 4), 3.0)
    data = pack_latents(latents)
    for bad in (b"", b"\x07" + data[1:], data[: len(data) // 2], data[:1] + b"\xff" * 40):
        with pytest.raises(LoadError, match="damaged"):
            unpack_latents(bad, latents.shape)
    with pytest.raises(LoadError, match="instead of"):
        unpack_latents(pack_latents(np.zeros((64, 64, 4), np.int16)), (16, 16, 4))
    with pytest.raises(LoadError, match="up to"):
        unpack_latents(data, (100_000, 100_000, 32))
    (tmp_path / "no.safetensors").write_bytes(b"not a bank")
    with pytest.raises(LoadError, match="cannot be read"):
        Bank(tmp_path / "no.safetensors")

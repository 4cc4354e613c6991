"""Index maps: windows of one endless field, tori of any size, rules kept, controls that do what
they say.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.texgen_server.layout.small import RULES, SHAPE, analysed, exemplar, picture
from texgen_server.layout import ExemplarCells, LayoutOptions, analyse, lay_torus, lay_window
from texgen_server.layout import synthesis as synthesis_module
from texgen_server.layout.measures import join_energy, measure
from texgen_server.layout.rules import allowed_offsets
from texgen_server.layout.weights import STANDARD, Weights


def offsets_of(placed, corner=(0, 0)):
    y, x = np.mgrid[0 : placed.shape[0], 0 : placed.shape[1]]
    return (placed - np.stack([y + corner[0], x + corner[1]], -1)) % SHAPE


@cache
def large_window(name):
    return lay_window(analysed(name), (-24, -20), (60, 72), LayoutOptions(5))


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize(
    ("corner", "size"), [((3, -11), (16, 21)), ((-20, 6), (1, 1)), ((17, 17), (9, 30))]
)
def test_a_window_is_the_crop_of_a_larger_one(name, corner, size):
    large = large_window(name)
    y, x = corner[0] + 24, corner[1] + 20
    assert np.array_equal(
        lay_window(analysed(name), corner, size, LayoutOptions(5)),
        large[y : y + size[0], x : x + size[1]],
    )


def test_a_halo_that_is_too_small_is_seen():
    class Short(Weights):
        def halo(self, spacing, top):
            return 1, 1

    analysis = analysed("free")
    large = lay_window(analysis, (-24, -24), (64, 64), LayoutOptions(5), Short())
    assert not np.array_equal(
        lay_window(analysis, (0, 0), (16, 16), LayoutOptions(5), Short()), large[24:40, 24:40]
    )


@pytest.mark.parametrize("name", RULES)
def test_offsets_stay_in_the_group(name):
    allowed = {tuple(o) for o in allowed_offsets(RULES[name], SHAPE).tolist()}
    for placed, corner in (
        (lay_torus(analysed(name), (64, 48), LayoutOptions(3)), (0, 0)),
        (lay_window(analysed(name), (-9, 5), (40, 40), LayoutOptions(3)), (-9, 5)),
    ):
        found = {tuple(o) for o in offsets_of(placed, corner).reshape(-1, 2).tolist()}
        assert found <= allowed
        assert len(found) > 1


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("free", (17, 33)),
        ("free", (5, 90)),
        ("courses", (40, 31)),
        ("lattice", (48, 36)),
        ("unlike", (19, 48)),
    ],
)
def test_a_torus_of_any_allowed_size_closes(name, size):
    """What lies across the border continues: joins there are no more frequent than elsewhere."""
    placed = lay_torus(analysed(name), size, LayoutOptions(1))
    assert placed.shape == (*size, 2)
    for axis, step in ((0, (1, 0)), (1, (0, 1))):
        broken = ((np.roll(placed, -1, axis) - placed - step) % SHAPE != 0).any(-1).mean(1 - axis)
        assert broken[-1] < 0.9
        assert broken[-1] <= broken[:-1].max() + 0.35


def test_a_torus_that_cannot_close_is_refused():
    with pytest.raises(ValueError, match="does not close"):
        lay_torus(analysed("courses"), (33, 24), LayoutOptions(1))


@pytest.mark.parametrize("name", RULES)
def test_no_novelty_gives_whole_tiles(name):
    placed = lay_torus(analysed(name), (64, 48), LayoutOptions(8, novelty=0.0))
    assert np.array_equal(placed, np.stack(np.mgrid[0:64, 0:48], -1) % SHAPE)
    window = lay_window(analysed(name), (-5, 7), (9, 9), LayoutOptions(8, novelty=0.0))
    assert np.array_equal(window, np.stack(np.mgrid[-5:4, 7:16], -1) % SHAPE)


@pytest.mark.parametrize("name", ["free", "courses", "figure"])
def test_the_default_is_not_the_exemplar_shifted(name):
    used = [
        measure(
            analysed(name), lay_torus(analysed(name), SHAPE, LayoutOptions(seed))
        ).most_used_offset
        for seed in range(5)
    ]
    assert np.median(used) <= 0.6


def test_seeds_differ_and_repeat():
    a, b, again = (lay_torus(analysed("free"), (40, 40), LayoutOptions(seed)) for seed in (1, 2, 1))
    assert np.array_equal(a, again)
    assert (a != b).any(-1).mean() > 0.5
    assert not np.array_equal(
        a, lay_torus(analysed("free"), (40, 40), LayoutOptions((1 << 40) + 1))
    )


def test_joins_match_better_than_chance():
    analysis = analysed("free")
    placed = lay_torus(analysis, (48, 48), LayoutOptions(4))
    shuffled = (
        np.random.default_rng(0).permuted(placed.reshape(-1, 2), axis=0).reshape(placed.shape)
    )
    assert join_energy(analysis, placed) < 0.3 * join_energy(analysis, shuffled)


def test_no_variation_changes_nothing_and_more_changes_more():
    analysis = analysed("free")
    plain = lay_torus(analysis, (96, 96), LayoutOptions(1))
    changed = []
    for amount in (0.0, 0.15, 0.5, 1.0):
        other = lay_torus(analysis, (96, 96), LayoutOptions(1, variation=amount, variation_seed=7))
        changed.append(float((other != plain).any(-1).mean()))
    assert changed[0] == 0.0
    assert 0.0 < changed[1] < changed[2] <= changed[3] + 0.1


def test_blocks_that_are_not_drawn_anew_stay():
    """A small variation leaves places far from its blocks as they were."""
    analysis = analysed("free")
    plain, other = (
        lay_window(analysis, (0, 0), (160, 160), LayoutOptions(1, variation=v, variation_seed=7))
        for v in (0.0, 0.01)
    )
    same = (plain == other).all(-1)
    assert 0.3 < same.mean() < 1.0


def test_nothing_is_taken_from_the_edge_of_a_part_of_a_tile():
    analysis = analyse(replace(exemplar("free"), wraps=False))
    placed = lay_torus(analysis, (40, 40), LayoutOptions(2))
    assert placed.min() >= 2
    assert (placed[..., 0] < SHAPE[0] - 2).all()
    assert (placed[..., 1] < SHAPE[1] - 2).all()


def test_joins_fall_in_joints():
    """With known joints fewer cells beside a join lie deep inside a part."""
    rows, columns = 48, 48
    y, x = np.mgrid[0:rows, 0:columns]
    cut = np.minimum(
        255, 90 * np.minimum(np.minimum(y % 6, 6 - y % 6), np.minimum(x % 8, 8 - x % 8))
    ).astype(np.uint8)
    latents = picture((rows, columns))
    shares = []
    for known in (None, cut):
        analysis = analyse(ExemplarCells(latents, RULES["free"], cut=known))
        deep = []
        for seed in range(3):
            placed = lay_torus(analysis, (rows, columns), LayoutOptions(seed))
            joins = ((np.roll(placed, -1, 1) - placed - (0, 1)) % (rows, columns) != 0).any(-1)
            beside = np.minimum(
                cut[tuple(np.moveaxis(placed, -1, 0))],
                cut[tuple(np.moveaxis(np.roll(placed, -1, 1), -1, 0))],
            )
            deep.append(beside[joins].mean())
        shares.append(np.mean(deep))
    assert shares[1] < 0.8 * shares[0]


def test_a_step_of_a_few_cells_is_avoided(monkeypatch):
    """Without the cost of combs more joins double or lose a strip."""
    assert synthesis_module.JUMPS

    def narrow(weights):
        found = []
        for seed in range(4):
            placed = lay_torus(analysed("free"), (64, 64), LayoutOptions(seed), weights)
            step = (np.roll(placed, -1, 1) - placed - (0, 1)) % SHAPE
            near = np.minimum(step, np.asarray(SHAPE) - step).max(-1)
            found.append(((near > 0) & (near <= 4)).mean())
        return np.mean(found)

    assert narrow(STANDARD) < narrow(replace(STANDARD, comb=0))

"""Measures of index maps, on maps whose figures are known."""

from __future__ import annotations

import numpy as np

from tests.texgen_server.layout.small import SHAPE, analysed
from texgen_server.layout import measures
from texgen_server.layout.appearance import NEIGHBOURHOOD_LIMIT, spacings
from texgen_server.layout.principal import UNIT, principal

TILE = np.stack(np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]], -1).astype(np.int32)
ALONE = np.zeros((1, 2), np.int32)


def two_places() -> np.ndarray:
    """A quarter from elsewhere."""
    placed = TILE.copy()
    placed[:, : SHAPE[1] // 4] = (placed[:, : SHAPE[1] // 4] + (9, 11)) % SHAPE
    return placed


def test_a_shifted_exemplar_is_one_patch_without_joins():
    figures = measures.measure(analysed("free"), (TILE + np.asarray([5, 3])) % SHAPE)
    assert figures.join_energy == 0.0
    assert figures.joins == 0.0
    assert figures.most_used_offset == figures.largest_patch == 1.0
    assert figures.duplicates == 0.0


def test_shares_of_a_map_from_two_places():
    figures = measures.measure(analysed("free"), two_places())
    assert figures.most_used_offset == 0.75
    assert figures.largest_patch == 0.75
    assert figures.join_energy > 0.0


def test_twins_count_as_one_place():
    offsets = (two_places() - TILE) % SHAPE
    assert (
        measures.most_used_offset(offsets, SHAPE, np.asarray([(0, 0), (9, 11), (23, 13)], np.int32))
        == 1.0
    )


def test_offsets_within_a_cell_and_small_gaps_are_merged():
    placed = TILE.copy()
    placed[:, 12:] = (placed[:, 12:] + (0, 1)) % SHAPE
    placed[:, 5:7] = (placed[:, 5:7] + (13, 7)) % SHAPE
    assert measures.largest_patch(placed, SHAPE, ALONE) == 1.0 - 2 / SHAPE[1]


def test_a_copy_nearby_is_a_duplicate_and_one_far_away_is_not():
    placed = TILE.copy()
    placed[2, 3] = placed[2, 8]
    assert measures.duplicates(placed, SHAPE) == 2 / (SHAPE[0] * SHAPE[1])
    placed = TILE.copy()
    placed[2, 3] = placed[18, 15]
    assert measures.duplicates(placed, SHAPE) == 0.0


def test_components_are_orthogonal_and_find_the_strongest_directions():
    random = np.random.default_rng(3)
    mixing = np.linalg.qr(random.standard_normal((12, 12)))[0]
    rows = np.rint(
        random.standard_normal((500, 12)) * np.asarray([40, 30, 20] + [2] * 9) @ mixing
    ).clip(-127, 127)
    basis = principal(rows, 3)
    gram = basis.T.astype(np.float64) @ basis
    assert np.allclose(gram, np.eye(3) * UNIT**2, atol=0.002 * UNIT**2)
    kept = ((rows @ basis / UNIT) ** 2).sum()
    best = np.linalg.eigvalsh(rows.T @ rows)[-3:].sum()
    assert kept > 0.995 * best


def test_vectors_are_whole_numbers_that_float32_adds_exactly():
    for at in analysed("free").levels:
        for vectors in (at.level.wanted, at.level.appearance):
            assert (vectors == np.rint(vectors)).all()
        widest = 4 * NEIGHBOURHOOD_LIMIT**2 * at.level.wanted.shape[1]
        assert np.abs(at.level.wanted).max() <= NEIGHBOURHOOD_LIMIT
        assert widest < 1 << 24


def test_levels_go_from_a_quarter_of_the_edge_to_one():
    assert spacings((64, 64)) == [16, 8, 4, 2, 1]
    assert spacings((128, 130)) == [32, 16, 8, 4, 2, 1]
    assert spacings((20, 90)) == [4, 2, 1]

"""Tiny exemplars with structure, made from hashes, and everything their layout says as one
digest.
"""

from __future__ import annotations

import hashlib

import numpy as np

from texgen_server.layout import (
    Analysis,
    ExemplarCells,
    Family,
    LayoutOptions,
    Rule,
    analyse,
    lay_torus,
    lay_window,
)
from texgen_server.layout.hashing import draw, seed_word

RULES = {
    "free": Rule(Family.STOCHASTIC),
    "figure": Rule(Family.FIGURE),
    "courses": Rule(Family.ROWS, "y", 4),
    "unlike": Rule(Family.ROWS, "x", 1),
    "lattice": Rule(Family.LATTICE, group=(4, 4, 2)),
}
SHAPE = (32, 24)


def picture(shape: tuple[int, int] = SHAPE, channels: int = 32, salt: int = 0) -> np.ndarray:
    """Latents with blobs of several sizes and a brick pattern: whole numbers of about one byte."""
    rows, columns = shape
    y, x = np.mgrid[0:rows, 0:columns]
    latents = np.zeros((rows, columns, channels), np.int64)
    for k in range(channels):
        for size in (1, 2, 4, 8):
            noise = (
                draw(seed_word(salt, k * 8 + size), 1, y // size, x // size) >> np.uint32(26)
            ).astype(np.int64) - 32
            latents[..., k] += noise * size // (1 + k // 4)
        course = y // (rows // 4)
        latents[..., k] += np.where(
            (y % (rows // 4) == 0) | ((x + course % 2 * 3) % 6 == 0), 60 // (1 + k), 0
        )
    return latents.astype(np.int16)


def exemplar(name: str, **changes: object) -> ExemplarCells:
    return ExemplarCells(picture(), RULES[name], **changes)  # type: ignore[arg-type]


_analyses: dict[str, Analysis] = {}


def analysed(name: str) -> Analysis:
    if name not in _analyses:
        _analyses[name] = analyse(exemplar(name))
    return _analyses[name]


def digest() -> str:
    """Index maps and look-alikes of all rules."""
    found = hashlib.sha256()
    for name in RULES:
        cut = (
            draw(seed_word(9), 4, *np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]) >> np.uint32(24)
        ).astype(np.uint8)
        analysis = analyse(exemplar(name, cut=cut if name == "courses" else None))
        for at in analysis.levels:
            found.update(
                at.alike.down.astype(np.int32).tobytes() + at.alike.right.astype(np.int32).tobytes()
            )
        for seed in range(2):
            found.update(lay_torus(analysis, (64, 48), LayoutOptions(seed)).tobytes())
    found.update(lay_window(analysis, (-7, 5), (12, 12), LayoutOptions(1)).tobytes())
    return found.hexdigest()


def with_floats() -> None:
    """Make matching vectors from floating-point components that are not rounded: what the engine
    must not do.
    """
    from texgen_server.layout import appearance, principal

    def components(rows: np.ndarray, count: int) -> np.ndarray:
        values = rows.astype(np.float32)
        return (
            np.linalg.eigh(values.T @ values)[1][:, ::-1][:, :count].astype(np.float32)
            * principal.UNIT
        )

    def spread(values: np.ndarray, reach: int, limit: int) -> np.ndarray:
        flat = values.reshape(-1, values.shape[-1]).astype(np.float32)
        scaled = np.clip(values * (reach / (4 * flat.std(0).max())), -limit, limit)
        return scaled.astype(
            np.int32 if limit > 1000 else np.float32
        )  # the engine blurs the latents' components by shifts of bits

    appearance.principal, appearance.spread = components, spread


if __name__ == "__main__":
    import sys

    if "--floats" in sys.argv:
        with_floats()
    print(digest())

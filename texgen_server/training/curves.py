# SPDX-License-Identifier: Apache-2.0
"""Draws curves of training logs, to compare runs: one panel a loss, one line a run."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image, ImageDraw

from texgen.errors import InvalidRequestError

LOSSES = ("statistics", "pixels", "layout", "relief")
PANEL_PX = (420, 260)
MARGIN_PX = 40
COLOURS = ("#3366cc", "#dc3912", "#109618", "#990099", "#ff9900")
SMOOTH = 5


def read_log(path: Path) -> list[dict[str, float]]:
    """Read the records of a run's ``log.jsonl``, without those of rollbacks.

    Raises InvalidRequestError.
    """
    try:
        records = [
            json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line
        ]
    except (OSError, ValueError) as error:
        raise InvalidRequestError(f"{path} is not a training log: {error}", "log") from error
    losses = [r for r in records if all(name in r for name in LOSSES)]
    if not losses:
        raise InvalidRequestError(f"{path} holds no losses yet", "log")
    return losses


def draw_curves(logs: dict[str, Path], out: Path) -> None:
    """Write a picture: for each loss the moving mean of every named run over images."""
    runs = {name: read_log(path) for name, path in logs.items()}
    width, height = PANEL_PX
    picture = Image.new("RGB", (2 * width, 2 * height + 24), "white")
    draw = ImageDraw.Draw(picture)
    for i, loss in enumerate(LOSSES):
        _panel(draw, runs, loss, (i % 2 * width, i // 2 * height))
    for i, name in enumerate(runs):
        draw.text(
            (MARGIN_PX + i * 180, 2 * height + 4),
            name,
            fill=COLOURS[i % len(COLOURS)],
            font_size=14,
        )
    picture.save(out)


def _panel(
    draw: ImageDraw.ImageDraw,
    runs: dict[str, list[dict[str, float]]],
    loss: str,
    corner: tuple[int, int],
) -> None:
    lines = {
        name: _smoothed([(r["images"], r[loss]) for r in records]) for name, records in runs.items()
    }
    points = [p for line in lines.values() for p in line]
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    x0, y0 = corner[0] + MARGIN_PX, corner[1] + 24
    w, h = PANEL_PX[0] - MARGIN_PX - 10, PANEL_PX[1] - 50
    draw.rectangle((x0, y0, x0 + w, y0 + h), outline="#888888")
    draw.text(
        (x0, corner[1] + 4),
        f"{loss}: {low:.3g} to {high:.3g}, {left:.0f} to {right:.0f} images",
        fill="black",
        font_size=12,
    )
    for i, line in enumerate(lines.values()):
        placed = [
            (
                x0 + w * (x - left) / max(1.0, right - left),
                y0 + h - h * (y - low) / max(1e-9, high - low),
            )
            for x, y in line
        ]
        draw.line(placed, fill=COLOURS[i % len(COLOURS)], width=2)


def _smoothed(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    out = []
    for i in range(len(points)):
        part = points[max(0, i - SMOOTH + 1) : i + 1]
        out.append((points[i][0], sum(y for _, y in part) / len(part)))
    return out

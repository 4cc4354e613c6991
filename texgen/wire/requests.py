# SPDX-License-Identifier: Apache-2.0
"""What a client may ask for, and the messages that say so: both clients, the plain one and that of
asyncio, are skins over this.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from texgen.maps import Encoding, MapKind, Pixels
from texgen.pb import texgen_pb2 as pb
from texgen.wire.assembly import KIND_TO_PB
from texgen.wire.request_fields import (
    BORDERS,
    CHUNK_BYTES,
    DETAILS,
    LOCKS,
    MODES,
    TILINGS,
    CallOptions,
    Options,
    checked_edge,
    checked_seed,
    common_fields,
    map_header,
    map_pieces,
    named,
    plain_fields,
    size_message,
    window_message,
)

Classes = str | Mapping[str, float]
"""A class name, or {name: weight}."""


class MaterialWishes(Options, total=False):
    """Of `generate`."""

    seed: int | None
    """The server chooses one if left out."""
    size_px: tuple[int, int] | None
    """(width, height)."""
    psi: float | None
    controls: Mapping[str, float] | None
    recipe: str
    """Instead of classes, seed, psi and controls."""
    prompt: str
    """English, instead of classes."""
    window_px: tuple[int, int, int, int] | None
    """(x, y, width, height): only this part of the torus."""
    endless: bool
    """The window lies in a field that never repeats."""
    mask: bytes
    """Of a painted mixture's recipe."""
    detail: str
    """``sr`` draws the picture four times smaller and enlarges it with the server's upscaler."""


class VaryWishes(Options, total=False):
    """Of `vary`."""

    locks: Iterable[str]
    """Of "layout", "colour", "relief": what stays."""
    count: int
    seed: int | None
    size_px: tuple[int, int] | None


class MixWishes(Options, total=False):
    """Of `mix`."""

    mask: bytes
    """A PNG, for mode "paint"."""
    steps: int
    """Of a transition."""
    size_px: tuple[int, int] | None
    controls: Mapping[str, float] | None


class CaptureWishes(Options, total=False):
    """Of `capture`."""

    class_name: str
    """To start from; the nearest if left out."""
    palette: Iterable[int]
    """0xRRGGBB, darkest first: colours of a grey photograph."""
    seed: int | None
    size_px: tuple[int, int] | None
    steps: int | None
    """Of refinement, 0 to 200."""


class UpscaleWishes(CallOptions, total=False):
    """Of `upscale`."""

    border: str
    """What lies beyond the edges: "wrap" (tiles), "wrap-x", "wrap-y", "mirror" (does not tile),
    "panorama".
    """
    model: str


class RepairWishes(CallOptions, total=False):
    """Of `repair`."""

    tiling: str
    """"auto" (where a seam shows), "always" or "never"."""
    clean: bool
    fill: Iterable[MapKind]
    """Maps to make if they are missing (`texgen.wire.request_fields.FILLABLE` at most; needs a
    model of kind estimator).
    """
    class_name: str
    """What the texture shows."""
    model: str


class EnvironmentWishes(CallOptions, total=False):
    """Of `generate_environment`."""

    seed: int | None
    width_px: int
    """1024, 2048, 4096 or 8192; 0: 1024, or the recipe's."""
    controls: Mapping[str, float] | None
    recipe: str
    """Instead of classes, seed and controls."""
    model: str


@dataclass(frozen=True)
class Ask:
    """A call of TextureService."""

    method: str
    request: Any
    """A message, or an iterator of messages where the method takes a stream."""


def generate(classes: Classes, wishes: MaterialWishes) -> Ask:
    """One material."""
    _check_known(wishes, MaterialWishes)
    request = pb.GenerateMaterialRequest(
        recipe=wishes.get("recipe", ""),
        prompt=wishes.get("prompt", ""),
        window=window_message(wishes.get("window_px")),
        endless=wishes.get("endless", False),
        mask=wishes.get("mask", b""),
        detail=named(DETAILS, wishes["detail"], "detail")
        if wishes.get("detail")
        else pb.DETAIL_UNSPECIFIED,
        classes=class_mix(classes),
        seed=checked_seed(wishes.get("seed")),
        size=size_message(wishes.get("size_px")),
        psi=wishes.get("psi"),
        controls=dict(wishes.get("controls") or {}),
        **common_fields(wishes),
    )
    return Ask("GenerateMaterial", request)


def vary(recipe: str, amount: float, wishes: VaryWishes) -> Ask:
    """Variations of a recipe."""
    _check_known(wishes, VaryWishes)
    request = pb.VaryMaterialRequest(
        recipe=recipe,
        amount=amount,
        locks=[named(LOCKS, name, "lock") for name in wishes.get("locks", ())],
        count=checked_edge(wishes.get("count", 1)),
        seed=checked_seed(wishes.get("seed")),
        size=size_message(wishes.get("size_px")),
        **common_fields(wishes),
    )
    return Ask("VaryMaterial", request)


def mix(
    parts: Mapping[str, float] | Iterable[tuple[str, float]], mode: str, wishes: MixWishes
) -> Ask:
    """A mixture of recipes."""
    _check_known(wishes, MixWishes)
    pairs = parts.items() if isinstance(parts, Mapping) else parts
    request = pb.MixMaterialsRequest(
        parts=[pb.MixPart(recipe=r, weight=w) for r, w in pairs],
        mode=named(MODES, mode, "mode"),
        mask=wishes.get("mask", b""),
        steps=checked_edge(wishes.get("steps", 0)),
        size=size_message(wishes.get("size_px")),
        controls=dict(wishes.get("controls") or {}),
        **common_fields(wishes),
    )
    return Ask("MixMaterials", request)


def capture(photo: bytes, wishes: CaptureWishes) -> Ask:
    """A material like a photograph."""
    _check_known(wishes, CaptureWishes)
    first = pb.CaptureOptions(
        photo_bytes=len(photo),
        class_name=wishes.get("class_name", ""),
        palette=list(wishes.get("palette", ())),
        seed=checked_seed(wishes.get("seed")),
        size=size_message(wishes.get("size_px")),
        steps=wishes.get("steps"),
        **common_fields(wishes),
    )
    pieces = (photo[at : at + CHUNK_BYTES] for at in range(0, len(photo), CHUNK_BYTES))
    return _uploading(
        "CaptureMaterial", pb.CaptureMaterialRequest, first, ({"photo": piece} for piece in pieces)
    )


def upscale(maps: Mapping[MapKind, Pixels], scale: int, wishes: UpscaleWishes) -> Ask:
    """Larger maps."""
    _check_known(wishes, UpscaleWishes)
    first = pb.UpscaleOptions(
        scale=checked_edge(scale),
        border=named(BORDERS, wishes.get("border", "wrap"), "border"),
        maps=[map_header(kind, pixels) for kind, pixels in maps.items()],
        **plain_fields(wishes, wishes.get("model", "")),
    )
    return _uploading(
        "UpscaleMaterial",
        pb.UpscaleMaterialRequest,
        first,
        ({"chunk": chunk} for chunk in map_pieces(maps)),
    )


def repair(maps: Mapping[MapKind, Pixels], wishes: RepairWishes) -> Ask:
    """Repaired maps."""
    _check_known(wishes, RepairWishes)
    first = pb.RepairOptions(
        tiling=named(TILINGS, wishes.get("tiling", "auto"), "tiling"),
        clean=wishes.get("clean", False),
        fill=[KIND_TO_PB[kind] for kind in wishes.get("fill", ())],
        class_name=wishes.get("class_name", ""),
        maps=[map_header(kind, pixels) for kind, pixels in maps.items()],
        **plain_fields(wishes, wishes.get("model", "")),
    )
    return _uploading(
        "RepairMaterial",
        pb.RepairMaterialRequest,
        first,
        ({"chunk": chunk} for chunk in map_pieces(maps)),
    )


def generate_environment(classes: Classes, wishes: EnvironmentWishes) -> Ask:
    """One environment."""
    _check_known(wishes, EnvironmentWishes)
    request = pb.GenerateEnvironmentRequest(
        recipe=wishes.get("recipe", ""),
        classes=class_mix(classes),
        seed=checked_seed(wishes.get("seed")),
        width_px=checked_edge(wishes.get("width_px", 0)),
        controls=dict(wishes.get("controls") or {}),
        **plain_fields(wishes, wishes.get("model", ""), Encoding.EXR),
    )
    return Ask("GenerateEnvironment", request)


def class_mix(classes: Classes) -> list[pb.ClassWeight]:
    """As the contract has it."""
    mix = {classes: 1.0} if isinstance(classes, str) else classes
    return [pb.ClassWeight(name=name, weight=weight) for name, weight in mix.items() if name]


def _uploading(method: str, message: Any, options: Any, pieces: Iterator[dict[str, Any]]) -> Ask:
    """The options, then the pieces."""
    return Ask(
        method, itertools.chain([message(options=options)], (message(**piece) for piece in pieces))
    )


def _check_known(wishes: Mapping[str, Any], kind: type) -> None:
    """As Python itself would of a keyword that a function does not take."""
    allowed = kind.__optional_keys__ | kind.__required_keys__  # type: ignore[attr-defined]
    if unknown := sorted(set(wishes) - allowed):
        raise TypeError(
            f"unexpected keyword argument {unknown[0]!r}: there are {', '.join(sorted(allowed))}"
        )

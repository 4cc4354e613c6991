# SPDX-License-Identifier: Apache-2.0
"""Builds the requests of TextureService: the only place that does.

There is one function for each method of the service, with the arguments of the method of
`texgen.Client` that bears its name; see there for ranges, units and defaults. Each raises
InvalidRequestError for an argument that a request cannot hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from google.protobuf.message import Message

from texgen.maps import Encoding, MapKind, Pixels
from texgen.pb import texgen_pb2 as pb
from texgen.wire import request_fields as fields
from texgen.wire.chunks import CHUNK_BYTES
from texgen.wire.enums import (
    BORDER_TO_PB,
    DETAIL_TO_PB,
    LOCK_TO_PB,
    MIX_MODE_TO_PB,
    TILING_TO_PB,
)
from texgen.wire.request_fields import Classes, RecipeWeights


@dataclass(frozen=True)
class TextureCall:
    """A method of TextureService and its request."""

    method: str
    request: Message | Iterator[Message]
    """A message, or an iterator of messages where the method takes a stream."""


def generate(
    classes: Classes = "",
    *,
    seed: int | None = None,
    size_px: tuple[int, int] | None = None,
    psi: float | None = None,
    controls: Mapping[str, float] | None = None,
    recipe: str = "",
    prompt: str = "",
    window_px: tuple[int, int, int, int] | None = None,
    endless: bool = False,
    mask: bytes = b"",
    detail: str = "",
    model: str = "",
    maps: Iterable[MapKind] = (),
    encoding: Encoding = Encoding.PNG,
    batch: bool = False,
) -> TextureCall:
    """Build the call for one material."""
    request = pb.GenerateMaterialRequest(
        model=fields.text_field(model, "model"),
        recipe=fields.text_field(recipe, "recipe"),
        prompt=fields.text_field(prompt, "prompt"),
        classes=fields.class_mix(classes),
        seed=fields.seed_field(seed),
        size=fields.size_field(size_px),
        psi=fields.optional_number(psi, "psi"),
        controls=fields.controls_field(controls),
        window=fields.window_field(window_px),
        endless=fields.flag_field(endless, "endless"),
        mask=fields.bytes_field(mask, "mask"),
        detail=fields.choice(DETAIL_TO_PB, detail, "detail"),
        maps=fields.map_kinds(maps, "maps"),
        encoding=fields.encoding_field(encoding),
        priority=fields.priority_field(batch),
    )
    return TextureCall("GenerateMaterial", request)


def vary(
    recipe: str,
    amount: float,
    *,
    locks: Iterable[str] = (),
    count: int = 1,
    seed: int | None = None,
    size_px: tuple[int, int] | None = None,
    model: str = "",
    maps: Iterable[MapKind] = (),
    encoding: Encoding = Encoding.PNG,
    batch: bool = False,
) -> TextureCall:
    """Build the call for variations of a recipe."""
    request = pb.VaryMaterialRequest(
        model=fields.text_field(model, "model"),
        recipe=fields.text_field(recipe, "recipe"),
        amount=fields.number_field(amount, "amount"),
        locks=fields.choices(LOCK_TO_PB, locks, "lock"),
        count=fields.integer_field(count, "count"),
        seed=fields.seed_field(seed),
        size=fields.size_field(size_px),
        maps=fields.map_kinds(maps, "maps"),
        encoding=fields.encoding_field(encoding),
        priority=fields.priority_field(batch),
    )
    return TextureCall("VaryMaterial", request)


def mix(
    parts: RecipeWeights,
    mode: str = "blend",
    *,
    mask: bytes = b"",
    steps: int = 0,
    size_px: tuple[int, int] | None = None,
    controls: Mapping[str, float] | None = None,
    model: str = "",
    maps: Iterable[MapKind] = (),
    encoding: Encoding = Encoding.PNG,
    batch: bool = False,
) -> TextureCall:
    """Build the call for a mixture of recipes."""
    request = pb.MixMaterialsRequest(
        model=fields.text_field(model, "model"),
        parts=fields.mix_parts(parts),
        mode=fields.choice(MIX_MODE_TO_PB, mode, "mode"),
        mask=fields.bytes_field(mask, "mask"),
        steps=fields.integer_field(steps, "steps"),
        size=fields.size_field(size_px),
        controls=fields.controls_field(controls),
        maps=fields.map_kinds(maps, "maps"),
        encoding=fields.encoding_field(encoding),
        priority=fields.priority_field(batch),
    )
    return TextureCall("MixMaterials", request)


def capture(
    photo: bytes,
    *,
    class_name: str = "",
    palette: Iterable[int] = (),
    seed: int | None = None,
    size_px: tuple[int, int] | None = None,
    steps: int | None = None,
    model: str = "",
    maps: Iterable[MapKind] = (),
    encoding: Encoding = Encoding.PNG,
    batch: bool = False,
) -> TextureCall:
    """Build the call for a material that looks like a photograph."""
    data = fields.bytes_field(photo, "photo")
    options = pb.CaptureOptions(
        model=fields.text_field(model, "model"),
        photo_bytes=len(data),
        class_name=fields.text_field(class_name, "class_name"),
        palette=fields.palette_field(palette),
        seed=fields.seed_field(seed),
        size=fields.size_field(size_px),
        steps=None if steps is None else fields.integer_field(steps, "steps"),
        maps=fields.map_kinds(maps, "maps"),
        encoding=fields.encoding_field(encoding),
        priority=fields.priority_field(batch),
    )
    return TextureCall("CaptureMaterial", _capture_messages(options, data))


def upscale(
    maps: Mapping[MapKind, Pixels],
    scale: int = 4,
    *,
    border: str = "wrap",
    model: str = "",
    encoding: Encoding = Encoding.PNG,
    batch: bool = False,
) -> TextureCall:
    """Build the call for larger maps."""
    options = pb.UpscaleOptions(
        model=fields.text_field(model, "model"),
        scale=fields.integer_field(scale, "scale"),
        border=fields.choice(BORDER_TO_PB, border, "border"),
        maps=fields.map_headers(maps),
        encoding=fields.encoding_field(encoding),
        priority=fields.priority_field(batch),
    )
    return TextureCall("UpscaleMaterial", _upscale_messages(options, maps))


def repair(
    maps: Mapping[MapKind, Pixels],
    *,
    tiling: str = "auto",
    clean: bool = False,
    fill: Iterable[MapKind] = (),
    class_name: str = "",
    model: str = "",
    encoding: Encoding = Encoding.PNG,
    batch: bool = False,
) -> TextureCall:
    """Build the call for repaired maps."""
    options = pb.RepairOptions(
        model=fields.text_field(model, "model"),
        tiling=fields.choice(TILING_TO_PB, tiling, "tiling"),
        clean=fields.flag_field(clean, "clean"),
        fill=fields.map_kinds(fill, "fill"),
        class_name=fields.text_field(class_name, "class_name"),
        maps=fields.map_headers(maps),
        encoding=fields.encoding_field(encoding),
        priority=fields.priority_field(batch),
    )
    return TextureCall("RepairMaterial", _repair_messages(options, maps))


def generate_environment(
    classes: Classes = "",
    *,
    seed: int | None = None,
    width_px: int = 0,
    controls: Mapping[str, float] | None = None,
    recipe: str = "",
    model: str = "",
    encoding: Encoding = Encoding.EXR,
    batch: bool = False,
) -> TextureCall:
    """Build the call for one environment."""
    request = pb.GenerateEnvironmentRequest(
        model=fields.text_field(model, "model"),
        recipe=fields.text_field(recipe, "recipe"),
        classes=fields.class_mix(classes),
        seed=fields.seed_field(seed),
        width_px=fields.integer_field(width_px, "width_px"),
        controls=fields.controls_field(controls),
        encoding=fields.encoding_field(encoding),
        priority=fields.priority_field(batch),
    )
    return TextureCall("GenerateEnvironment", request)


def explore(sequence: int, position: TextureCall) -> pb.ExploreRequest:
    """Build the message that sends a position of the sliders, a call of `generate`."""
    assert isinstance(position.request, pb.GenerateMaterialRequest)
    return pb.ExploreRequest(sequence=sequence, material=position.request)


def _capture_messages(options: pb.CaptureOptions, photo: bytes) -> Iterator[Message]:
    """Yield the options, then the photograph in pieces."""
    yield pb.CaptureMaterialRequest(options=options)
    for offset in range(0, len(photo), CHUNK_BYTES):
        yield pb.CaptureMaterialRequest(photo=photo[offset : offset + CHUNK_BYTES])


def _upscale_messages(
    options: pb.UpscaleOptions, maps: Mapping[MapKind, Pixels]
) -> Iterator[Message]:
    """Yield the options, then the maps in pieces."""
    yield pb.UpscaleMaterialRequest(options=options)
    for chunk in fields.map_chunks(maps):
        yield pb.UpscaleMaterialRequest(chunk=chunk)


def _repair_messages(
    options: pb.RepairOptions, maps: Mapping[MapKind, Pixels]
) -> Iterator[Message]:
    """Yield the options, then the maps in pieces."""
    yield pb.RepairMaterialRequest(options=options)
    for chunk in fields.map_chunks(maps):
        yield pb.RepairMaterialRequest(chunk=chunk)

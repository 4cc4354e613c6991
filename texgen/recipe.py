# SPDX-License-Identifier: Apache-2.0
"""Recipes: what names a result. Model digest + classes + seed + truncation + controls + size <-> a short text.

``tg1:`` carries at most 64 bytes, ``tg1x:`` the same layout up to 4096 bytes (room for nested recipes and codes). Both are
base64url without padding. Layout, integers as LEB128 varints: digest prefix (8 bytes), width px, height px, seed, psi (1/1000),
classes (count, then index and weight in 1/1000), controls that differ from their default (count, then index and float32 LE),
CRC-32 (low 2 bytes, LE) of all before.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from texgen.errors import InvalidRequestError
from texgen.modelcard import ModelCard

SHORT_PREFIX, LONG_PREFIX = "tg1:", "tg1x:"
SHORT_BYTES, LONG_BYTES = 64, 4096
DIGEST_BYTES = 8
MAX_SEED = 2**64 - 1
MAX_PSI = 1.5
DEFAULT_SIZE_PX = 1024


@dataclass(frozen=True)
class MaterialRecipe:
    """A checked request for one material. Build it with `make_recipe` or `read_recipe`; the numbers are quantised as in the text."""

    model_digest: str
    width_px: int
    height_px: int
    seed: int
    psi: float
    classes: tuple[tuple[str, float], ...]
    """(name, weight) with weights that sum to 1."""
    controls: Mapping[str, float] = field(default_factory=dict)
    """Every control of the model, defaults included."""


def parse_size(text: str) -> tuple[int, int]:
    """``"1024"`` or ``"1024x512"`` (width x height) -> (width, height). Raises InvalidRequestError."""
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(p.isascii() and p.isdigit() for p in parts):
        raise InvalidRequestError(f"size {text!r}: give pixels as N or WIDTHxHEIGHT, such as 1024 or 1024x512", "size")
    return int(parts[0]), int(parts[-1])


def parse_class_mix(text: str) -> list[tuple[str, float]]:
    """``"bark"`` or ``"brick=0.7,rock=0.3"`` -> [(name, weight)]. Raises InvalidRequestError."""
    mix = []
    for part in text.split(","):
        name, equals, weight = part.strip().partition("=")
        try:
            mix.append((name.strip(), float(weight) if equals else 1.0))
        except ValueError as error:
            raise InvalidRequestError(f"class mix {text!r}: {weight!r} is not a number; write brick=0.7,rock=0.3", "classes") from error
    return mix


def parse_controls(pairs: Iterable[str]) -> dict[str, float]:
    """``["relief_depth=1.5"]`` -> {"relief_depth": 1.5}. Raises InvalidRequestError."""
    controls = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        try:
            controls[name.strip()] = float(value)
        except ValueError as error:
            raise InvalidRequestError(f"control {pair!r}: write NAME=NUMBER, such as relief_depth=1.5", "controls") from error
    return controls


def make_recipe(
    card: ModelCard,
    classes: Iterable[tuple[str, float]],
    seed: int,
    size_px: tuple[int, int] = (DEFAULT_SIZE_PX, DEFAULT_SIZE_PX),
    psi: float = 1.0,
    controls: Mapping[str, float] | None = None,
) -> MaterialRecipe:
    """Check every field against the model and quantise it. ``size_px`` is (width, height).

    Raises InvalidRequestError with the field's name; the message says what is allowed.
    """
    if not 0 <= seed <= MAX_SEED:
        raise InvalidRequestError(f"seed {seed}: allowed are whole numbers from 0 to {MAX_SEED}", "seed")
    if not 0.0 <= psi <= MAX_PSI:
        raise InvalidRequestError(f"psi {psi}: allowed is 0 (the class's average) to {MAX_PSI}", "psi")
    width, height = (_check_edge(card, edge, name) for edge, name in zip(size_px, ("width", "height"), strict=True))
    return MaterialRecipe(
        model_digest=card.digest,
        width_px=width,
        height_px=height,
        seed=seed,
        psi=round(psi * 1000) / 1000,
        classes=_check_classes(card, list(classes)),
        controls=_check_controls(card, controls or {}),
    )


def _check_edge(card: ModelCard, edge_px: int, name: str) -> int:
    step, low, high = card.size_multiple_px, card.min_edge_px, card.max_edge_px
    if not low <= edge_px <= high:
        raise InvalidRequestError(f"{name} {edge_px} px: allowed is {low} to {high} px in steps of {step}", "size")
    if edge_px % step:
        below = edge_px // step * step
        near = [str(n) for n in (below, below + step) if low <= n <= high]
        raise InvalidRequestError(
            f"{name} {edge_px} px is not a multiple of {step}: the nearest allowed are {' and '.join(near)} px", "size"
        )
    return edge_px


def _check_classes(card: ModelCard, mix: list[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    known = card.class_names()
    if not mix:
        raise InvalidRequestError(f"no class given: there are {', '.join(known)}", "classes")
    weights: dict[str, float] = {}
    for name, weight in mix:
        if name not in known:
            raise InvalidRequestError(f"unknown class {name!r}: there are {', '.join(known)}", "classes")
        if not (math.isfinite(weight) and weight > 0):
            raise InvalidRequestError(f"weight {weight} of class {name}: give a number above 0", "classes")
        weights[name] = weights.get(name, 0.0) + weight
    parts = _thousandths(weights)
    return tuple((name, parts[name] / 1000) for name in sorted(parts, key=known.index))


def _thousandths(weights: Mapping[str, float]) -> dict[str, int]:
    """Whole thousandths, each at least 1, that sum to 1000 and stay nearest to the weights' shares (largest remainder)."""
    total = sum(weights.values())
    shares = {name: 1000 * w / total for name, w in weights.items()}
    parts = {name: max(1, int(share + 1e-6)) for name, share in shares.items()}
    missing = 1000 - sum(parts.values())
    by_error = sorted(shares, key=lambda name: parts[name] - shares[name])
    for i in range(max(0, missing)):
        parts[by_error[i % len(by_error)]] += 1
    parts[max(parts, key=lambda name: parts[name])] += min(0, missing)
    return parts


def _check_controls(card: ModelCard, given: Mapping[str, float]) -> dict[str, float]:
    specs = {c.name: c for c in card.controls}
    for name, value in given.items():
        if name not in specs:
            raise InvalidRequestError(f"unknown control {name!r}: there are {', '.join(specs) or 'none'}", "controls")
        low, high = specs[name].minimum, specs[name].maximum
        if not low <= value <= high:
            raise InvalidRequestError(f"control {name}={value}: allowed is {low:g} to {high:g} {specs[name].unit}".rstrip(), "controls")
    full = {name: float(given.get(name, spec.default)) for name, spec in specs.items()}
    return {name: struct.unpack("<f", struct.pack("<f", value))[0] for name, value in full.items()}


def write_recipe(recipe: MaterialRecipe, card: ModelCard) -> str:
    """Recipe -> text; the shorter form whenever it fits."""
    names = card.class_names()
    body = bytes.fromhex(recipe.model_digest)[:DIGEST_BYTES]
    body += b"".join(_varint(n) for n in (recipe.width_px, recipe.height_px, recipe.seed, round(recipe.psi * 1000)))
    body += _varint(len(recipe.classes))
    for name, weight in recipe.classes:
        body += _varint(names.index(name)) + _varint(round(weight * 1000))
    moved = [(i, recipe.controls[c.name]) for i, c in enumerate(card.controls) if recipe.controls[c.name] != _float32(c.default)]
    body += _varint(len(moved)) + b"".join(_varint(i) + struct.pack("<f", v) for i, v in moved)
    body += struct.pack("<H", zlib.crc32(body) & 0xFFFF)
    prefix = SHORT_PREFIX if len(body) <= SHORT_BYTES else LONG_PREFIX
    return prefix + base64.urlsafe_b64encode(body).decode().rstrip("=")


def read_recipe(text: str, card: ModelCard, size_px: tuple[int, int] | None = None) -> MaterialRecipe:
    """Text -> checked recipe; ``size_px`` (width, height) overrides the recipe's size.

    Raises InvalidRequestError when the text is damaged or was made by another model.
    """
    reader = _Reader(_unpack(text))
    digest = reader.take(DIGEST_BYTES).hex()
    if not card.digest.startswith(digest):
        raise InvalidRequestError(
            f"the recipe was made by model {digest[:12]}, this is {card.id} {card.digest[:12]}: use that model's version for the same result",
            "recipe",
        )
    width, height, seed, psi = (reader.varint() for _ in range(4))
    try:
        mix = [(card.classes[reader.varint()].name, reader.varint() / 1000) for _ in range(reader.varint())]
        controls = {card.controls[reader.varint()].name: reader.float32() for _ in range(reader.varint())}
    except IndexError as error:
        raise InvalidRequestError("the recipe names a class or control that the model does not have", "recipe") from error
    return make_recipe(card, mix, seed, size_px or (width, height), psi / 1000, controls)


def _unpack(text: str) -> bytes:
    text = text.strip()
    for prefix, limit in ((SHORT_PREFIX, SHORT_BYTES), (LONG_PREFIX, LONG_BYTES)):
        if text.startswith(prefix):
            code = text.removeprefix(prefix)
            try:
                body = base64.b64decode(code + "=" * (-len(code) % 4), altchars=b"-_", validate=True)
            except (binascii.Error, ValueError) as error:
                raise InvalidRequestError("the recipe is damaged: it is not base64url text; copy it again", "recipe") from error
            if len(body) > limit:
                raise InvalidRequestError(f"the recipe is {len(body)} bytes long: {prefix} allows {limit}", "recipe")
            if len(body) < 3 or struct.unpack("<H", body[-2:])[0] != zlib.crc32(body[:-2]) & 0xFFFF:
                raise InvalidRequestError("the recipe is damaged: its checksum does not match; copy it again", "recipe")
            return body[:-2]
    raise InvalidRequestError(f"{text[:24]!r} is not a recipe: it starts with {SHORT_PREFIX} or {LONG_PREFIX}", "recipe")


def _float32(value: float) -> float:
    result: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return result


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


class _Reader:
    """Reads the binary layout; running out of bytes is a damaged recipe."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        part = self._data[self._at : self._at + count]
        if len(part) < count:
            raise InvalidRequestError("the recipe is damaged: it ends too early; copy it again", "recipe")
        self._at += count
        return part

    def varint(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise InvalidRequestError("the recipe is damaged: a number in it is too long", "recipe")

    def float32(self) -> float:
        value: float = struct.unpack("<f", self.take(4))[0]
        return value

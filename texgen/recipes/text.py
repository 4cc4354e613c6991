# SPDX-License-Identifier: Apache-2.0
"""Writes and reads the text of recipes.

``tg1:`` carries at most 64 bytes, ``tg1x:`` at most 4096. Both are base64url without padding.
Layout, integers as LEB128 varints: digest prefix (8 bytes), body, detail, CRC-32 (low 2 bytes, LE).
Body: width px and height px before upscaling, seed, psi (1/1000), classes (count, then index and
weight in 1/1000), controls that differ from their default (count, then index and float32 LE),
origin kind, origin. Detail: scale, first 8 bytes of the upscaler's digest. Detail is left out where
there is none, and then in ``tg1:`` the origin kind, which is 0, too. Origins: 0 none; 1 variation
(amount in 1/1000, locks as bits, length and body of the base); 2 mixture (mode, steps, mask's
SHA-256 if painted, count, then weight in 1/1000, length and body of each part); 3 capture (half
floats, see `texgen.recipes.encode`).
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from dataclasses import replace

from texgen.errors import InvalidRequestError
from texgen.modelcard import ModelCard
from texgen.recipes.build import with_size
from texgen.recipes.decode import RecipeReader, decode_body
from texgen.recipes.encode import encode_body
from texgen.recipes.recipe import DETAIL_DIGEST_HEX, DETAIL_SCALES, Detail, Recipe
from texgen.recipes.varint import varint

SHORT_PREFIX, LONG_PREFIX = "tg1:", "tg1x:"
SHORT_BYTES, LONG_BYTES = 64, 4096
DIGEST_BYTES = 8


def write_recipe(recipe: Recipe, card: ModelCard) -> str:
    """Write a recipe as text, in the shorter form if it fits.

    Raises InvalidRequestError when it is longer than the long form allows.
    """
    body = bytes.fromhex(recipe.model_digest)[:DIGEST_BYTES] + encode_body(
        recipe.before_upscaling(), card
    )
    if recipe.detail:
        body += (
            (varint(0) if recipe.origin is None else b"")
            + varint(recipe.detail.scale)
            + bytes.fromhex(recipe.detail.upscaler)
        )
    body += struct.pack("<H", zlib.crc32(body) & 0xFFFF)
    if len(body) > LONG_BYTES:
        raise InvalidRequestError(
            f"the recipe is {len(body)} bytes long: {LONG_BYTES} are allowed; mix fewer or "
            f"simpler parts",
            "recipe",
        )
    prefix = SHORT_PREFIX if len(body) <= SHORT_BYTES and recipe.origin is None else LONG_PREFIX
    return prefix + base64.urlsafe_b64encode(body).decode().rstrip("=")


def read_recipe(text: str, card: ModelCard, size_px: tuple[int, int] | None = None) -> Recipe:
    """Read and check a recipe; ``size_px`` (width, height) overrides its size.

    Raises InvalidRequestError when the text is damaged or was made by another model.
    """
    reader = RecipeReader(_unpack(text))
    digest = reader.take(DIGEST_BYTES).hex()
    if not card.digest.startswith(digest):
        raise InvalidRequestError(
            f"the recipe was made by model {digest[:12]}, this is {card.id} "
            f"{card.digest[:12]}: use that model's version for the same result",
            "recipe",
        )
    recipe = decode_body(reader, card)
    if reader.remaining():
        recipe = _with_detail(
            recipe, Detail(reader.varint(), reader.take(DETAIL_DIGEST_HEX // 2).hex())
        )
    return with_size(recipe, card, size_px or (recipe.width_px, recipe.height_px))


def recipe_model(text: str) -> str:
    """Return the first hex digits of the digest of the model that a recipe names.

    Raises InvalidRequestError for a damaged text.
    """
    return RecipeReader(_unpack(text)).take(DIGEST_BYTES).hex()


def _with_detail(recipe: Recipe, detail: Detail) -> Recipe:
    """Add the enlargement to a recipe at the size before it."""
    if detail.scale not in DETAIL_SCALES:
        raise InvalidRequestError(
            f"the recipe is damaged: detail at scale {detail.scale}", "recipe"
        )
    return replace(
        recipe,
        width_px=recipe.width_px * detail.scale,
        height_px=recipe.height_px * detail.scale,
        detail=detail,
    )


def _unpack(text: str) -> bytes:
    """Return the bytes of a text without their checksum. Raises InvalidRequestError."""
    text = text.strip()
    for prefix, limit in ((SHORT_PREFIX, SHORT_BYTES), (LONG_PREFIX, LONG_BYTES)):
        if text.startswith(prefix):
            code = text.removeprefix(prefix)
            try:
                body = base64.b64decode(
                    code + "=" * (-len(code) % 4), altchars=b"-_", validate=True
                )
            except (binascii.Error, ValueError) as error:
                raise InvalidRequestError(
                    "the recipe is damaged: it is not base64url text; copy it again", "recipe"
                ) from error
            # the last character has unused bits, which must be zero
            if base64.urlsafe_b64encode(body).decode().rstrip("=") != code:
                raise InvalidRequestError(
                    "the recipe is damaged: its last character is not one that texgen writes",
                    "recipe",
                )
            if len(body) > limit:
                raise InvalidRequestError(
                    f"the recipe is {len(body)} bytes long: {prefix} allows {limit}", "recipe"
                )
            if len(body) < 3 or struct.unpack("<H", body[-2:])[0] != zlib.crc32(body[:-2]) & 0xFFFF:
                raise InvalidRequestError(
                    "the recipe is damaged: its checksum does not match; copy it again", "recipe"
                )
            return body[:-2]
    raise InvalidRequestError(
        f"{text[:24]!r} is not a recipe: it starts with {SHORT_PREFIX} or {LONG_PREFIX}", "recipe"
    )

# SPDX-License-Identifier: Apache-2.0
"""What reads bytes of strangers, under atheris (libFuzzer): anything but an error of ours is a
find.

python tests/fuzz/readers.py -runs=100000
"""

from __future__ import annotations

import base64
import contextlib
import io
import struct
import sys
import tempfile
import zlib
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))

with atheris.instrument_imports(include=["texgen", "texgen_server.rpc"]):
    from texgen.errors import TexgenError
    from texgen.inputs.pictures import read_picture as read_any_picture
    from texgen.modelcard import find_card
    from texgen.pb import texgen_pb2 as pb
    from texgen.recipes import text
    from texgen.recipes.build import make_recipe, vary_recipe
    from texgen_server.rpc.requests import environment, maps, material
    from texgen_server.rpc.requests.order import Host

from google.protobuf.message import DecodeError
from PIL import Image

from tests.tiny import write_tiny_environment, write_tiny_model, write_tiny_upscaler

FOLDER = Path(tempfile.mkdtemp(prefix="texgen-fuzz-"))
for write, name in (
    (write_tiny_model, "material"),
    (write_tiny_upscaler, "upscaler"),
    (write_tiny_environment, "environment"),
):
    write(FOLDER / name)
CARD, ENVIRONMENT = find_card("material", FOLDER), find_card("environment", FOLDER)
HOST = Host(1 << 22, lambda: find_card("upscaler", FOLDER))


def read_recipe(data: bytes) -> None:
    """A body under a digest and a checksum that are right."""
    body = bytes.fromhex(CARD.digest)[: text.DIGEST_BYTES] + data
    body += struct.pack("<H", zlib.crc32(body) & 0xFFFF)
    recipe = text.read_recipe("tg1x:" + base64.urlsafe_b64encode(body).decode().rstrip("="), CARD)
    assert text.read_recipe(text.write_recipe(recipe, CARD), CARD) == recipe


def read_text(data: bytes) -> None:
    text.read_recipe("tg1:" + data.decode("latin-1"), CARD)


def read_generate(data: bytes) -> None:
    material.generate_orders(pb.GenerateMaterialRequest.FromString(data), CARD, HOST)


def read_vary(data: bytes) -> None:
    material.vary_orders(pb.VaryMaterialRequest.FromString(data), CARD, HOST)


def read_mix(data: bytes) -> None:
    material.mix_orders(pb.MixMaterialsRequest.FromString(data), CARD, HOST)


def read_environment(data: bytes) -> None:
    environment.environment_orders(
        pb.GenerateEnvironmentRequest.FromString(data), ENVIRONMENT, HOST
    )


def read_upload(data: bytes) -> None:
    options = pb.UpscaleOptions.FromString(data[: len(data) // 2])
    maps.check_upscale(options, 1 << 22)
    packed = [maps._packed(header, data[len(data) // 2 :]) for header in options.maps]
    maps.upscale_order(options, packed, HOST)


def read_picture(data: bytes) -> None:
    read_any_picture(data, "photo", colour=bool(data[-1:] and data[-1] & 1), max_pixels=1 << 22)


READERS = [
    read_recipe,
    read_text,
    read_generate,
    read_vary,
    read_mix,
    read_environment,
    read_upload,
    read_picture,
]


def one(data: bytes) -> None:
    """The first byte chooses the reader."""
    if not data:
        return
    with contextlib.suppress(TexgenError, DecodeError):
        READERS[data[0] % len(READERS)](data[1:])


def write_seeds(folder: Path) -> None:
    """What is right, to begin with."""
    folder.mkdir()
    classes = [pb.ClassWeight(name="bark", weight=1.0), pb.ClassWeight(name="brick", weight=2.0)]
    recipe = make_recipe(CARD, [("bark", 1.0)], 7, (64, 64))
    plain_text = text.write_recipe(recipe, CARD)
    varied = text.write_recipe(vary_recipe(CARD, recipe, 3, 0.5), CARD)
    plain, body = (
        plain_text.removeprefix("tg1:"),
        [base64.urlsafe_b64decode(t.split(":")[1] + "==") for t in (plain_text, varied)],
    )
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), (9, 8, 7)).save(picture, "PNG")
    header = pb.MapHeader(
        kind=1, width_px=4, height_px=4, channels=3, dtype=1, encoding=1, byte_size=48
    )
    options = pb.UpscaleOptions(scale=2, maps=[header]).SerializeToString()
    seeds = [
        *((read_recipe, b[text.DIGEST_BYTES : -2]) for b in body),
        (read_text, plain.encode()),
        (
            read_generate,
            pb.GenerateMaterialRequest(
                classes=classes, size=pb.Size(width_px=64, height_px=64), seed=3
            ).SerializeToString(),
        ),
        (read_generate, pb.GenerateMaterialRequest(recipe=plain_text).SerializeToString()),
        (
            read_vary,
            pb.VaryMaterialRequest(
                recipe=plain_text, amount=0.5, count=2, locks=[1]
            ).SerializeToString(),
        ),
        (
            read_mix,
            pb.MixMaterialsRequest(
                parts=[pb.MixPart(recipe=plain_text, weight=1.0)] * 2, mode=2
            ).SerializeToString(),
        ),
        (
            read_environment,
            pb.GenerateEnvironmentRequest(
                classes=[pb.ClassWeight(name="overcast", weight=1.0)]
            ).SerializeToString(),
        ),
        (read_upload, options + bytes(len(options))),
        (read_picture, picture.getvalue()),
    ]
    for number, (reader, data) in enumerate(seeds):
        (folder / str(number)).write_bytes(bytes([READERS.index(reader)]) + data)


if __name__ == "__main__":
    write_seeds(FOLDER / "seeds")
    atheris.Setup([*sys.argv, str(FOLDER / "seeds")], one)
    atheris.Fuzz()

# SPDX-License-Identifier: Apache-2.0
"""UpscaleMaterial over gRPC: what a client can send wrong is told before it costs anything."""

from __future__ import annotations

import numpy as np
import pytest

from texgen.errors import InvalidRequestError
from texgen.files.images import decode, encode_png
from texgen.maps import Encoding, MapKind, MapSet
from texgen.pb import texgen_pb2 as pb
from texgen.wire.requests import TextureCall


def header(**changes):
    fields = {
        "kind": pb.MAP_KIND_AO,
        "width_px": 8,
        "height_px": 8,
        "channels": 1,
        "dtype": pb.DTYPE_UINT8,
        "encoding": pb.ENCODING_RAW,
    }
    return pb.MapHeader(**({"byte_size": 64} | fields | changes))


def send(client, options, *chunks):
    """The messages of a call as a foreign client may send them."""
    first = [pb.UpscaleMaterialRequest(options=options)] if options else []
    requests = iter([*first, *(pb.UpscaleMaterialRequest(chunk=c) for c in chunks)])
    return client.stream(TextureCall("UpscaleMaterial", requests)).map_set()


def whole(data, offset=0, kind=pb.MAP_KIND_AO):
    return pb.Chunk(kind=kind, offset=offset, data=data)


def test_a_set_comes_back_larger(client, rng):
    maps = {
        MapKind.BASECOLOR: rng.integers(0, 256, (24, 40, 3), np.uint8),
        MapKind.HEIGHT: rng.integers(0, 65536, (24, 40, 1)).astype(np.uint16),
    }
    seen = []
    made = client.upscale(
        maps, 2, encoding=Encoding.RAW, on_progress=lambda p: seen.append(p.fraction)
    )
    assert {k: decode(m).shape for k, m in made.maps.items()} == {
        MapKind.BASECOLOR: (48, 80, 3),
        MapKind.HEIGHT: (48, 80, 1),
    }
    assert decode(made.maps[MapKind.HEIGHT]).dtype == np.uint16
    assert type(made) is MapSet
    assert made.engine
    assert seen == sorted(seen)


def test_png_uploads_are_decoded(client, rng):
    data = encode_png(rng.integers(0, 256, (8, 8, 1), np.uint8), srgb=False)
    options = pb.UpscaleOptions(
        scale=4, maps=[header(encoding=pb.ENCODING_PNG, byte_size=len(data))]
    )
    assert (
        send(client, options, whole(data[:20]), whole(data[20:], 20)).maps[MapKind.AO].width_px
        == 32
    )


@pytest.mark.parametrize(
    ("options", "chunks", "message"),
    [
        (None, [whole(b"")], "first message must carry the options"),
        (pb.UpscaleOptions(scale=3, maps=[header()]), [], "scale 3: allowed are 2 and 4"),
        (pb.UpscaleOptions(scale=2), [], "announce one to 6 maps"),
        (pb.UpscaleOptions(scale=2, maps=[header(), header()]), [], "each kind once"),
        (pb.UpscaleOptions(scale=2, maps=[header(width_px=0, byte_size=0)]), [], "above 0"),
        (pb.UpscaleOptions(scale=4, maps=[header(width_px=8192)]), [], "at most 16384"),
        (
            pb.UpscaleOptions(scale=2, maps=[header(width_px=10000, height_px=10000)]),
            [],
            "more than this server takes",
        ),
        (
            pb.UpscaleOptions(scale=2, maps=[header(channels=3, byte_size=192)]),
            [],
            "3 channels: allowed are 1",
        ),
        (pb.UpscaleOptions(scale=2, maps=[header(dtype=pb.DTYPE_FLOAT16)]), [], "uint8 or uint16"),
        (pb.UpscaleOptions(scale=2, maps=[header(byte_size=65)]), [], "do not hold"),
        (pb.UpscaleOptions(scale=2, maps=[header()]), [whole(bytes(63))], "only 63 of 64"),
        (pb.UpscaleOptions(scale=2, maps=[header()]), [whole(bytes(65))], "more bytes of ao"),
        (pb.UpscaleOptions(scale=2, maps=[header()]), [whole(bytes(8), 8)], "out of order"),
        (
            pb.UpscaleOptions(scale=2, maps=[header()]),
            [whole(bytes(8), 0, pb.MAP_KIND_HEIGHT)],
            "not announced",
        ),
        (
            pb.UpscaleOptions(scale=2, maps=[header(encoding=pb.ENCODING_PNG)]),
            [whole(bytes(64))],
            "no PNG of 8 x 8",
        ),
        (
            pb.UpscaleOptions(
                scale=2, maps=[header(encoding=pb.ENCODING_PNG, byte_size=(1 << 30) + 1)]
            ),
            [],
            "together: allowed are 1073741824",
        ),
        (pb.UpscaleOptions(scale=2, border=9, maps=[header()]), [], "border 9"),
        (
            pb.UpscaleOptions(scale=2, model="material", maps=[header()]),
            [whole(bytes(64))],
            "of kind 'material'",
        ),
    ],
)
def test_what_is_wrong_is_told(client, options, chunks, message):
    with pytest.raises(InvalidRequestError, match=message):
        send(client, options, *chunks)


def test_an_upscaler_generates_nothing(client):
    with pytest.raises(InvalidRequestError, match="of kind 'upscaler'"):
        client.generate("brick", model="upscaler")


def test_wrong_arrays_are_refused_by_the_client(client):
    with pytest.raises(InvalidRequestError, match="uint8 or uint16"):
        client.upscale({MapKind.AO: np.zeros((8, 8, 1), np.float32)})


def test_a_failing_job_is_told_once_and_logged_nowhere(client, caplog):
    """The engine's refusal reaches the caller; asyncio does not log it as never retrieved."""
    import gc

    maps = {
        MapKind.AO: np.zeros((8, 8, 1), np.uint8),
        MapKind.HEIGHT: np.zeros((8, 16, 1), np.uint16),
    }
    with pytest.raises(InvalidRequestError, match="unlike sizes"):
        client.upscale(maps, 2)
    client.server_info()
    gc.collect()
    assert "never retrieved" not in caplog.text

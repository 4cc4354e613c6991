# SPDX-License-Identifier: Apache-2.0
"""Event stream -> materials, environments.

No transport inside: the Python client and the Blender add-on both use it.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from texgen.errors import ConnectionFailedError
from texgen.maps import ColorSpace, Encoding, Environment, Light, MapKind, Material, PackedMap
from texgen.pb import texgen_pb2 as pb
from texgen.wire.chunks import RawChunk

KIND_FROM_PB = {
    pb.MAP_KIND_BASECOLOR: MapKind.BASECOLOR,
    pb.MAP_KIND_NORMAL: MapKind.NORMAL,
    pb.MAP_KIND_ROUGHNESS: MapKind.ROUGHNESS,
    pb.MAP_KIND_METALLIC: MapKind.METALLIC,
    pb.MAP_KIND_HEIGHT: MapKind.HEIGHT,
    pb.MAP_KIND_AO: MapKind.AO,
    pb.MAP_KIND_ENVIRONMENT: MapKind.ENVIRONMENT,
}
KIND_TO_PB = {k: v for v, k in KIND_FROM_PB.items()}
ENCODING_FROM_PB = {
    pb.ENCODING_RAW: Encoding.RAW,
    pb.ENCODING_PNG: Encoding.PNG,
    pb.ENCODING_EXR: Encoding.EXR,
}
ENCODING_TO_PB = {k: v for v, k in ENCODING_FROM_PB.items()}
SPACE_FROM_PB = {
    pb.COLOR_SPACE_SRGB: ColorSpace.SRGB,
    pb.COLOR_SPACE_DATA: ColorSpace.DATA,
    pb.COLOR_SPACE_LINEAR_REC709: ColorSpace.LINEAR,
}
SPACE_TO_PB = {k: v for v, k in SPACE_FROM_PB.items()}
DTYPE_FROM_PB = {pb.DTYPE_UINT8: "uint8", pb.DTYPE_UINT16: "uint16", pb.DTYPE_FLOAT16: "float16"}
DTYPE_TO_PB = {k: v for v, k in DTYPE_FROM_PB.items()}
STEP_FROM_PB = {
    pb.REPAIR_STEP_CLEANED: "cleaned",
    pb.REPAIR_STEP_TILED: "tiled",
    pb.REPAIR_STEP_FROM_HEIGHT: "from height",
    pb.REPAIR_STEP_FROM_NORMAL: "from normal",
    pb.REPAIR_STEP_FROM_ESTIMATE: "from estimate",
}
STEP_TO_PB = {v: k for k, v in STEP_FROM_PB.items()}

DAMAGED = "a map arrived damaged (it is not what the server says it sent); try again"
WHOLE_MAPS = ("texgen-whole-maps", "1")
"""Metadata of a call whose events an `Assembler` takes: it understands small maps in one piece."""
MAX_MAP_BYTES = 2**31
"""A map that claims to be longer is refused before memory is taken for it."""


@dataclass(frozen=True)
class Progress:
    """How far a request is:

    ``fraction`` 0..1, ``stage`` "queued", "computing", "encoding" or "receiving".
    """

    fraction: float
    stage: str
    queue_position: int = 0


class Assembler:
    """Feed it events; it collects maps and checks lengths, order and CRC-32. ``on_preview`` takes
    what an early picture shows and its PNG file; ``crc32`` may be a faster one than zlib's.
    """

    def __init__(
        self,
        on_progress: Callable[[Progress], None] | None = None,
        on_preview: Callable[[MapKind, bytes], None] | None = None,
        crc32: Callable[[bytes | memoryview, int], int] = zlib.crc32,
    ) -> None:
        self.accepted: pb.Accepted | None = None
        self.finished: list[Material | Environment] = []
        self._on_progress = on_progress or (lambda _: None)
        self._on_preview = on_preview or (lambda kind, png: None)
        self._maps: dict[MapKind, PackedMap] = {}
        self._header: pb.MapHeader | None = None
        self._buffer = memoryview(b"")
        self._crc32 = crc32
        self._received = self._found = 0

    def feed(self, event: pb.TextureEvent | RawChunk) -> None:
        """Take one event. Raises ConnectionFailedError when the stream contradicts itself."""
        if isinstance(event, RawChunk):
            self._append(event)
            return
        match event.WhichOneof("event"):
            case "accepted":
                self.accepted = event.accepted
                self._maps = {}
            case "progress":
                p = event.progress
                self._on_progress(Progress(self._overall(p.fraction), p.stage, p.queue_position))
            case "preview":
                self._on_preview(KIND_FROM_PB[event.preview.kind], event.preview.png)
            case "map_header":
                self._begin(event.map_header)
            case "chunk":
                self._append(event.chunk)
            case "map_end":
                self._finish(event.map_end)
            case "whole_maps":
                self._take(event.whole_maps)
            case "summary":
                self._sum_up(event.summary)

    def result(self) -> Material:
        """The finished material.

        Raises ConnectionFailedError when the stream ended before its summary.
        """
        return self.materials()[-1]

    def materials(self) -> list[Material]:
        """All materials of the call.

        Raises ConnectionFailedError when the stream ended before the last one's summary.
        """
        return [result for result in self.results() if isinstance(result, Material)]

    def environments(self) -> list[Environment]:
        """All environments of the call.

        Raises ConnectionFailedError when the stream ended before the last one's summary.
        """
        return [result for result in self.results() if isinstance(result, Environment)]

    def results(self) -> list[Material | Environment]:
        if not self._complete():
            raise ConnectionFailedError(
                "the server ended the stream before the result was complete; nothing was kept, "
                "try again"
            )
        return self.finished

    def _count(self) -> int:
        return max(1, self.accepted.count) if self.accepted else 1

    def _complete(self) -> bool:
        return len(self.finished) >= self._count()

    def _overall(self, fraction: float) -> float:
        """0..1 over all results of the call, from the fraction of the current one."""
        return min(1.0, (len(self.finished) + fraction) / self._count())

    def _begin(self, header: pb.MapHeader) -> None:
        if header.byte_size > MAX_MAP_BYTES:
            raise ConnectionFailedError(
                f"the server announced a map of {header.byte_size} bytes; at most "
                f"{MAX_MAP_BYTES} are taken"
            )
        self._header, self._received, self._found = header, 0, 0
        self._buffer = np.empty(
            header.byte_size, np.uint8
        ).data  # in huge pages, unlike bytes: a third of the time

    def _append(self, chunk: pb.Chunk | RawChunk) -> None:
        header = self._header
        if header is None or chunk.kind != header.kind or chunk.offset != self._received:
            raise ConnectionFailedError("the server sent a piece of a map out of order; try again")
        data = chunk.data
        if self._received + len(data) > header.byte_size:
            raise ConnectionFailedError(
                "the server sent more bytes of a map than it announced; try again"
            )
        self._buffer[self._received : self._received + len(data)] = data
        self._found = self._crc32(data, self._found)  # piece by piece, while it is at hand
        self._received += len(data)

    def _finish(self, end: pb.MapEnd) -> None:
        header = self._header
        if header is None or self._received != header.byte_size:
            raise ConnectionFailedError(DAMAGED)
        raw = header.encoding == pb.ENCODING_RAW
        self._keep(
            header, self._buffer.toreadonly() if raw else self._buffer.tobytes(), self._found, end
        )
        self._header, self._buffer = None, memoryview(b"")

    def _take(self, several: pb.WholeMaps) -> None:
        for whole in several.maps:
            data = whole.data
            if len(data) != whole.header.byte_size:
                raise ConnectionFailedError(DAMAGED)
            self._keep(whole.header, data, self._crc32(data, 0), whole.end)

    def _keep(
        self, header: pb.MapHeader, data: bytes | memoryview, found: int, end: pb.MapEnd
    ) -> None:
        """A map that is here whole, if it is what its end says; servers from before the CRC-32 told
        a hash only.
        """
        right = (
            found == end.crc32
            if end.HasField("crc32")
            else hashlib.sha256(data).digest() == end.sha256
        )
        if not right or (end.kind, end.byte_size) != (header.kind, header.byte_size):
            raise ConnectionFailedError(DAMAGED)
        kind = KIND_FROM_PB[end.kind]
        self._maps[kind] = PackedMap(
            kind,
            header.width_px,
            header.height_px,
            header.channels,
            DTYPE_FROM_PB[header.dtype],
            ENCODING_FROM_PB[header.encoding],
            SPACE_FROM_PB[header.color_space],
            data,
        )
        self._on_progress(Progress(self._overall(0.9), "receiving"))

    def _sum_up(self, summary: pb.Summary) -> None:
        self.finished.append(
            self._environment(summary)
            if MapKind.ENVIRONMENT in self._maps
            else self._material(summary)
        )
        self._on_progress(Progress(self._overall(0.0), "done" if self._complete() else "queued"))

    def _environment(self, summary: pb.Summary) -> Environment:
        return Environment(
            panorama=self._maps[MapKind.ENVIRONMENT],
            recipe=summary.recipe,
            seed=summary.seed,
            model_digest=summary.model_digest,
            engine=summary.engine,
            output_licence=summary.output_licence,
            lights=tuple(_light(light) for light in summary.lights),
            controls=dict(sorted(summary.controls.items())),
            timings_s=_timings(summary),
            cache_hit=summary.cache_hit,
        )

    def _material(self, summary: pb.Summary) -> Material:
        return Material(
            maps=self._maps,
            recipe=summary.recipe,
            seed=summary.seed,
            model_digest=summary.model_digest,
            engine=summary.engine,
            output_licence=summary.output_licence,
            height_range_tiles=summary.height_range_tiles,
            height_range_m=summary.height_range_m,
            controls=dict(sorted(summary.controls.items())),
            timings_s=_timings(summary),
            tileability={KIND_FROM_PB[t.kind]: t.seam_percentile for t in summary.tileability},
            cache_hit=summary.cache_hit,
            window_px=_window(summary),
            endless=summary.endless,
            understood=_understood(self.accepted),
            repairs={
                KIND_FROM_PB[r.kind]: tuple(STEP_FROM_PB[s] for s in r.steps)
                for r in summary.repairs
            },
        )


def _timings(summary: pb.Summary) -> dict[str, float]:
    return {"queue": summary.queue_s, "compute": summary.compute_s, "encode": summary.encode_s}


def _light(light: pb.Light) -> Light:
    red, green, blue = light.flux
    return Light(light.azimuth_deg, light.elevation_deg, light.radius_deg, (red, green, blue))


def _window(summary: pb.Summary) -> tuple[int, int, int, int] | None:
    w = summary.window
    return (w.x_px, w.y_px, w.width_px, w.height_px) if summary.HasField("window") else None


def _understood(accepted: pb.Accepted | None) -> dict[str, Any]:
    if accepted is None or not accepted.HasField("prompt_choice"):
        return {}
    choice = accepted.prompt_choice
    return {
        "classes": {c.name: c.weight for c in choice.classes},
        "material": choice.material,
        "controls": dict(sorted(choice.controls.items())),
        "similarity": round(choice.similarity, 3),
    }

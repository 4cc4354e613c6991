# SPDX-License-Identifier: Apache-2.0
"""The Python client: a synchronous skin over the contract. Importing it needs grpcio, never torch."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Unpack

from texgen.assembly import ENCODING_TO_PB, KIND_TO_PB
from texgen.connection import DEFAULT_DEADLINE_S, Connection
from texgen.explore import Explorer
from texgen.maps import Encoding, Environment, MapKind, Material, Pixels
from texgen.pb import texgen_pb2 as pb
from texgen.pb import texgen_pb2_grpc as pb_grpc
from texgen.request_fields import (
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
    size_message,
    window_message,
)


class Client:
    """A connection to a texgen server.

    ``address`` is HOST:PORT; ``token`` the server's token, if it has one; ``tls_ca`` a PEM file to trust for a TLS connection; ``tls_pair``
    PEM files of a certificate and its key, for a server that asks clients for one.
    Use it as a context manager, or call `close`. Methods raise the errors of `texgen.errors`.
    """

    def __init__(
        self,
        address: str,
        token: str = "",
        tls_ca: Path | None = None,
        deadline_s: float = DEFAULT_DEADLINE_S,
        tls_pair: tuple[Path, Path] | None = None,
    ) -> None:
        self._connection = Connection(address, token, tls_ca, deadline_s, tls_pair)
        self._textures = pb_grpc.TextureServiceStub(self._connection.channel)
        self._models = pb_grpc.ModelServiceStub(self._connection.channel)
        self._server = pb_grpc.ServerServiceStub(self._connection.channel)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls in flight end with CancelledError."""
        self._connection.close()

    def generate(
        self,
        classes: str | Mapping[str, float] = "",
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
        **options: Unpack[Options],
    ) -> Material:
        """Generate one material.

        ``classes`` is a class name or {name: weight}; or give ``recipe`` instead of classes, seed, psi and controls (with its ``mask``
        if it is a painted mix), or an English ``prompt`` instead of classes. ``size_px`` is (width, height). ``window_px`` (x, y,
        width, height) makes a part of the torus only, or with ``endless`` of a field that never repeats. ``detail="sr"`` draws the
        picture four times smaller and enlarges it with the server's upscaler. The result's maps are
        packed as ``options["encoding"]``; decode them with `texgen.images.decode`.
        """
        mix = {classes: 1.0} if isinstance(classes, str) else classes
        request = pb.GenerateMaterialRequest(
            recipe=recipe,
            prompt=prompt,
            window=window_message(window_px),
            endless=endless,
            mask=mask,
            detail=named(DETAILS, detail, "detail") if detail else pb.DETAIL_UNSPECIFIED,
            classes=[pb.ClassWeight(name=n, weight=w) for n, w in mix.items() if n],
            seed=checked_seed(seed),
            size=size_message(size_px),
            psi=psi,
            controls=dict(controls or {}),
            **common_fields(options),
        )
        return self._stream(self._textures.GenerateMaterial, request, options)[0]

    def vary(
        self,
        recipe: str,
        amount: float,
        *,
        locks: Iterable[str] = (),
        count: int = 1,
        seed: int | None = None,
        size_px: tuple[int, int] | None = None,
        **options: Unpack[Options],
    ) -> list[Material]:
        """``count`` variations of a recipe. ``amount`` 0 (the same) to 1 (another seed); ``locks`` of "layout", "colour", "relief"."""
        request = pb.VaryMaterialRequest(
            recipe=recipe,
            amount=amount,
            locks=[named(LOCKS, name, "lock") for name in locks],
            count=checked_edge(count),
            seed=checked_seed(seed),
            size=size_message(size_px),
            **common_fields(options),
        )
        return self._stream(self._textures.VaryMaterial, request, options)

    def mix(
        self,
        parts: Mapping[str, float] | Iterable[tuple[str, float]],
        mode: str = "blend",
        *,
        mask: bytes = b"",
        steps: int = 0,
        size_px: tuple[int, int] | None = None,
        controls: Mapping[str, float] | None = None,
        **options: Unpack[Options],
    ) -> list[Material]:
        """Mix recipes, given as {recipe: weight}. ``mode`` is "blend", "look", "paint" (with a PNG ``mask``) or "transition"
        (with ``steps``). One material; a transition gives one a step.
        """
        pairs = parts.items() if isinstance(parts, Mapping) else parts
        request = pb.MixMaterialsRequest(
            parts=[pb.MixPart(recipe=r, weight=w) for r, w in pairs],
            mode=named(MODES, mode, "mode"),
            mask=mask,
            steps=checked_edge(steps),
            size=size_message(size_px),
            controls=dict(controls or {}),
            **common_fields(options),
        )
        return self._stream(self._textures.MixMaterials, request, options)

    def capture(
        self,
        photo: bytes,
        *,
        class_name: str = "",
        palette: Iterable[int] = (),
        seed: int | None = None,
        size_px: tuple[int, int] | None = None,
        steps: int | None = None,
        **options: Unpack[Options],
    ) -> Material:
        """A material that looks like a photograph (a PNG, JPEG or WebP file's bytes). ``palette`` (0xRRGGBB, darkest first) colours
        a grey one; ``steps`` of refinement, 0 to 200.
        """
        first = pb.CaptureOptions(
            photo_bytes=len(photo),
            class_name=class_name,
            palette=list(palette),
            seed=checked_seed(seed),
            size=size_message(size_px),
            steps=steps,
            **common_fields(options),
        )
        pieces = (photo[at : at + CHUNK_BYTES] for at in range(0, len(photo), CHUNK_BYTES))
        requests = [pb.CaptureMaterialRequest(options=first), *(pb.CaptureMaterialRequest(photo=piece) for piece in pieces)]
        return self._stream(self._textures.CaptureMaterial, iter(requests), options)[0]

    def upscale(
        self, maps: Mapping[MapKind, Pixels], scale: int = 4, *, border: str = "wrap", model: str = "", **options: Unpack[CallOptions]
    ) -> Material:
        """Enlarge maps of one size together. ``maps`` are (H, W, C) arrays of uint8 or uint16; each comes back in its own dtype.

        ``scale`` is 2 or 4; ``border`` says what lies beyond the edges: "wrap" (tiles), "wrap-x", "wrap-y", "mirror" (does not tile),
        "panorama". A fourth channel of the basecolor is alpha.
        """
        first = pb.UpscaleOptions(
            model=model,
            scale=checked_edge(scale),
            border=named(BORDERS, border, "border"),
            maps=[map_header(kind, pixels) for kind, pixels in maps.items()],
            encoding=ENCODING_TO_PB[options.get("encoding", Encoding.PNG)],
            priority=pb.PRIORITY_BATCH if options.get("batch") else pb.PRIORITY_INTERACTIVE,
        )
        chunks = (pb.UpscaleMaterialRequest(chunk=chunk) for chunk in map_pieces(maps))
        return self._stream(self._textures.UpscaleMaterial, itertools.chain([pb.UpscaleMaterialRequest(options=first)], chunks), options)[0]

    def repair(
        self,
        maps: Mapping[MapKind, Pixels],
        *,
        tiling: str = "auto",
        clean: bool = False,
        fill: Iterable[MapKind] = (),
        class_name: str = "",
        model: str = "",
        **options: Unpack[CallOptions],
    ) -> Material:
        """Make maps of one size tileable, fill missing ones, take JPEG blocks and noise away. ``maps`` as in `upscale`, normals OpenGL.

        ``tiling`` is "auto" (where a seam shows), "always" or "never"; ``fill`` names the maps to make if they are missing
        (`texgen.request_fields.FILLABLE` at most; needs a model of kind estimator);
        ``class_name`` what the texture shows. The result's ``repairs`` say what was done to each map.
        """
        first = pb.RepairOptions(
            model=model,
            tiling=named(TILINGS, tiling, "tiling"),
            clean=clean,
            fill=[KIND_TO_PB[kind] for kind in fill],
            class_name=class_name,
            maps=[map_header(kind, pixels) for kind, pixels in maps.items()],
            encoding=ENCODING_TO_PB[options.get("encoding", Encoding.PNG)],
            priority=pb.PRIORITY_BATCH if options.get("batch") else pb.PRIORITY_INTERACTIVE,
        )
        chunks = (pb.RepairMaterialRequest(chunk=chunk) for chunk in map_pieces(maps))
        return self._stream(self._textures.RepairMaterial, itertools.chain([pb.RepairMaterialRequest(options=first)], chunks), options)[0]

    def generate_environment(
        self,
        classes: str | Mapping[str, float] = "",
        *,
        seed: int | None = None,
        width_px: int = 0,
        controls: Mapping[str, float] | None = None,
        recipe: str = "",
        model: str = "",
        **options: Unpack[CallOptions],
    ) -> Environment:
        """Generate an environment: a panorama of linear radiance that lights a scene, twice as wide as high.

        ``classes`` is a class name or {name: weight}; or give ``recipe`` instead of classes, seed and controls. ``width_px`` is 1024, 2048,
        4096 or 8192 (0: 1024, or the recipe's). Encodings are EXR (half float, ZIP) and RAW (float16).
        """
        mix = {classes: 1.0} if isinstance(classes, str) else classes
        request = pb.GenerateEnvironmentRequest(
            model=model,
            recipe=recipe,
            classes=[pb.ClassWeight(name=n, weight=w) for n, w in mix.items() if n],
            seed=checked_seed(seed),
            width_px=checked_edge(width_px),
            controls=dict(controls or {}),
            encoding=ENCODING_TO_PB[options.get("encoding", Encoding.EXR)],
            priority=pb.PRIORITY_BATCH if options.get("batch") else pb.PRIORITY_INTERACTIVE,
        )
        return self._connection.stream(self._textures.GenerateEnvironment, request, options).environments()[0]

    def explore(self) -> Explorer:
        """Follow sliders: only the latest position is answered. Use as a context manager, see `texgen.explore.Explorer`."""
        return Explorer(self._connection, self._textures.Explore)

    def list_models(self) -> list[pb.Model]:
        """The models that the server can run."""
        return list(self._connection.call(self._models.ListModels, pb.ListModelsRequest()).models)

    def get_model(self, model: str = "") -> pb.Model:
        """One model with its classes and controls; the empty id is the default material model."""
        result: pb.Model = self._connection.call(self._models.GetModel, pb.GetModelRequest(model=model)).model
        return result

    def load_model(self, model: str = "") -> float:
        """Load a model before its first request. Returns the seconds it took."""
        return float(self._connection.call(self._models.LoadModel, pb.LoadModelRequest(model=model)).load_s)

    def unload_model(self, model: str = "") -> bool:
        """Release a model's memory; whether it was loaded."""
        return bool(self._connection.call(self._models.UnloadModel, pb.UnloadModelRequest(model=model)).was_loaded)

    def model_statistics(self, model: str = "") -> list[pb.ModelStatistics]:
        """What a model, or each one, has done since the server started."""
        return list(self._connection.call(self._models.GetModelStatistics, pb.GetModelStatisticsRequest(model=model)).models)

    def server_info(self) -> pb.GetServerInfoResponse:
        """Version, devices, limits, queue depth."""
        info: pb.GetServerInfoResponse = self._connection.call(self._server.GetServerInfo, pb.GetServerInfoRequest())
        return info

    def _stream(self, method: Any, request: Any, options: CallOptions) -> list[Material]:
        return self._connection.stream(method, request, options).materials()

# SPDX-License-Identifier: Apache-2.0
"""The Python client: a synchronous skin over the contract.

Importing it needs grpcio, never torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Unpack

from texgen.client.connection import DEFAULT_DEADLINE_S, Connection
from texgen.client.explore import Explorer
from texgen.maps import Environment, MapKind, Material, Pixels
from texgen.pb import texgen_pb2 as pb
from texgen.pb import texgen_pb2_grpc as pb_grpc
from texgen.wire import requests
from texgen.wire.assembly import Assembler
from texgen.wire.chunks import texture_methods
from texgen.wire.request_fields import CallOptions


class Client:
    """A connection to a texgen server.

    ``address`` is HOST:PORT; ``token`` the server's token, if it has one; ``tls_ca`` a PEM file to
    trust for a TLS connection; ``tls_pair`` PEM files of a certificate and its key, for a server
    that asks clients for one; with ``retry`` calls that a full server refuses are made again, up to
    four times and ever later. Use it as a context manager, or call `close`. Methods raise the
    errors of `texgen.errors`.
    """

    def __init__(
        self,
        address: str,
        token: str = "",
        tls_ca: Path | None = None,
        deadline_s: float = DEFAULT_DEADLINE_S,
        tls_pair: tuple[Path, Path] | None = None,
        *,
        retry: bool = True,
    ) -> None:
        self._connection = Connection(address, token, tls_ca, deadline_s, tls_pair, retry=retry)
        self._textures = texture_methods(self._connection.channel)
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
        self, classes: requests.Classes = "", **options: Unpack[requests.MaterialWishes]
    ) -> Material:
        """Generate one material.

        ``classes`` is a class name or {name: weight}; or give ``recipe`` instead of classes, seed,
        psi and controls (with its ``mask`` if it is a painted mix), or an English ``prompt``
        instead of classes. ``window_px`` makes a part of the torus only, or with ``endless`` of a
        field that never repeats. The result's maps are packed as ``encoding`` says; decode them
        with `texgen.files.images.decode`.
        """
        return self._ask(requests.generate(classes, options), options).result()

    def vary(
        self, recipe: str, amount: float, **options: Unpack[requests.VaryWishes]
    ) -> list[Material]:
        """``count`` variations of a recipe. ``amount`` 0 (the same) to 1 (another seed)."""
        return self._ask(requests.vary(recipe, amount, options), options).materials()

    def mix(
        self,
        parts: Mapping[str, float] | Iterable[tuple[str, float]],
        mode: str = "blend",
        **options: Unpack[requests.MixWishes],
    ) -> list[Material]:
        """Mix recipes, given as {recipe: weight}. ``mode`` is "blend", "look", "paint" (with a PNG
        ``mask``) or "transition" (with ``steps``). One material; a transition gives one a step.
        """
        return self._ask(requests.mix(parts, mode, options), options).materials()

    def capture(self, photo: bytes, **options: Unpack[requests.CaptureWishes]) -> Material:
        """A material that looks like a photograph (a PNG, JPEG or WebP file's bytes)."""
        return self._ask(requests.capture(photo, options), options).result()

    def upscale(
        self,
        maps: Mapping[MapKind, Pixels],
        scale: int = 4,
        **options: Unpack[requests.UpscaleWishes],
    ) -> Material:
        """Enlarge maps of one size together, 2 or 4 times. ``maps`` are (H, W, C) arrays of uint8
        or uint16; each comes back in its own dtype.

        A fourth channel of the basecolor is alpha.
        """
        return self._ask(requests.upscale(maps, scale, options), options).result()

    def repair(
        self, maps: Mapping[MapKind, Pixels], **options: Unpack[requests.RepairWishes]
    ) -> Material:
        """Make maps of one size tileable, fill missing ones, take JPEG blocks and noise away.
        ``maps`` as in `upscale`, normals OpenGL.

        The result's ``repairs`` say what was done to each map.
        """
        return self._ask(requests.repair(maps, options), options).result()

    def generate_environment(
        self, classes: requests.Classes = "", **options: Unpack[requests.EnvironmentWishes]
    ) -> Environment:
        """Generate an environment: a panorama of linear radiance that lights a scene, twice as wide
        as high.

        ``classes`` is a class name or {name: weight}; or give ``recipe`` instead of classes, seed
        and controls. Encodings are EXR (half float, ZIP) and RAW (float16).
        """
        return self._ask(requests.generate_environment(classes, options), options).environments()[0]

    def explore(self) -> Explorer:
        """Follow sliders: only the latest position is answered.

        Use as a context manager, see `texgen.client.explore.Explorer`.
        """
        return Explorer(self._connection, self._textures["Explore"])

    def list_models(self) -> list[pb.Model]:
        """The models that the server can run."""
        return list(self._connection.call(self._models.ListModels, pb.ListModelsRequest()).models)

    def get_model(self, model: str = "") -> pb.Model:
        """One model with its classes and controls; the empty id is the default material model."""
        result: pb.Model = self._connection.call(
            self._models.GetModel, pb.GetModelRequest(model=model)
        ).model
        return result

    def load_model(self, model: str = "") -> float:
        """Load a model before its first request. Returns the seconds it took."""
        return float(
            self._connection.call(self._models.LoadModel, pb.LoadModelRequest(model=model)).load_s
        )

    def unload_model(self, model: str = "") -> bool:
        """Release a model's memory; whether it was loaded."""
        return bool(
            self._connection.call(
                self._models.UnloadModel, pb.UnloadModelRequest(model=model)
            ).was_loaded
        )

    def model_statistics(self, model: str = "") -> list[pb.ModelStatistics]:
        """What a model, or each one, has done since the server started."""
        return list(
            self._connection.call(
                self._models.GetModelStatistics, pb.GetModelStatisticsRequest(model=model)
            ).models
        )

    def server_info(self) -> pb.GetServerInfoResponse:
        """Version, devices, limits, queue depth."""
        info: pb.GetServerInfoResponse = self._connection.call(
            self._server.GetServerInfo, pb.GetServerInfoRequest()
        )
        return info

    def _ask(self, ask: requests.Ask, options: CallOptions) -> Assembler:
        return self._connection.stream(self._textures[ask.method], ask.request, options)

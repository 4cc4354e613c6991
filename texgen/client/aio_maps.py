# SPDX-License-Identifier: Apache-2.0
"""Calls of the asynchronous client that change maps or return environments."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping

from texgen.maps import Encoding, Environment, MapKind, MapSet, Pixels
from texgen.wire import requests
from texgen.wire.assembly import Assembler, Progress


class AsyncMapCalls(ABC):
    """The methods of `texgen.AsyncClient` that change maps and generate environments."""

    @abstractmethod
    async def stream(
        self,
        call: requests.TextureCall,
        on_progress: Callable[[Progress], None] | None = None,
        on_preview: Callable[[MapKind, bytes], None] | None = None,
    ) -> Assembler:
        """Run a call and assemble its events."""

    async def upscale(
        self,
        maps: Mapping[MapKind, Pixels],
        scale: int = 4,
        *,
        border: str = "wrap",
        model: str = "",
        encoding: Encoding = Encoding.PNG,
        batch: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
        on_preview: Callable[[MapKind, bytes], None] | None = None,
    ) -> MapSet:
        """Enlarge maps of one size together, so that they stay in agreement.

        Args:
            maps: Samples by kind, (H, W, C) of uint8 or uint16; each comes back in its dtype.
                A fourth channel of the basecolor is alpha; normals may be OpenGL or DirectX.
            scale: How many times larger: 2 or 4.
            border: Content beyond the edges: "wrap" (it tiles), "wrap-x", "wrap-y", "mirror" (it
                does not tile) or "panorama" (equirectangular).
            model: Model id; empty: the server's default upscaler.
            encoding: Format of the returned maps.
            batch: Lets interactive requests of other callers go first.
            on_progress: Called with each progress of the work.
            on_preview: Called with the kind and the PNG file of each small early picture.

        Returns:
            The enlarged maps; decode them with `texgen.files.images.decode`.

        Raises:
            InvalidRequestError: An argument has the wrong type or is out of range.
            TexgenError: The call failed; `texgen.errors` lists the kinds.

        Example:
            ```python
            pixels = {kind: decode(packed) for kind, packed in material.maps.items()}
            large = await client.upscale(pixels, 4)
            ```
        """
        call = requests.upscale(
            maps, scale, border=border, model=model, encoding=encoding, batch=batch
        )
        assembler = await self.stream(call, on_progress, on_preview)
        return assembler.map_set()

    async def repair(
        self,
        maps: Mapping[MapKind, Pixels],
        *,
        tiling: str = "auto",
        clean: bool = False,
        fill: Iterable[MapKind] = (),
        class_name: str = "",
        model: str = "",
        encoding: Encoding = Encoding.PNG,
        batch: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
        on_preview: Callable[[MapKind, bytes], None] | None = None,
    ) -> MapSet:
        """Make maps of one size tileable, compute missing ones, remove JPEG blocks and noise.

        Args:
            maps: Samples by kind, (H, W, C) of uint8 or uint16; each comes back in its dtype.
                Normals are OpenGL.
            tiling: "auto" (along the axes on which a seam shows), "always" or "never".
            clean: Removes JPEG blocks and noise first.
            fill: Kinds to compute where they are missing, any of `texgen.maps.FILLABLE`; one of
                basecolor, normal and height must be given.
            class_name: Class of the texture, for better estimates; empty: unknown.
            model: Model id of the estimator; empty: the server's default one.
            encoding: Format of the returned maps.
            batch: Lets interactive requests of other callers go first.
            on_progress: Called with each progress of the work.
            on_preview: Called with the kind and the PNG file of each small early picture.

        Returns:
            All maps that were given or computed; ``repairs`` lists the steps for each.

        Raises:
            InvalidRequestError: An argument has the wrong type or is out of range.
            TexgenError: The call failed; `texgen.errors` lists the kinds.

        Example:
            ```python
            closed = await client.repair({MapKind.BASECOLOR: photo}, fill=[MapKind.NORMAL])
            ```
        """
        call = requests.repair(
            maps,
            tiling=tiling,
            clean=clean,
            fill=fill,
            class_name=class_name,
            model=model,
            encoding=encoding,
            batch=batch,
        )
        assembler = await self.stream(call, on_progress, on_preview)
        return assembler.map_set()

    async def generate_environment(
        self,
        classes: str | Mapping[str, float] = "",
        *,
        seed: int | None = None,
        width_px: int = 0,
        controls: Mapping[str, float] | None = None,
        recipe: str = "",
        model: str = "",
        encoding: Encoding = Encoding.EXR,
        batch: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
        on_preview: Callable[[MapKind, bytes], None] | None = None,
    ) -> Environment:
        """Generate an environment: a panorama of linear radiance that lights a scene.

        Args:
            classes: A class name, or weights above 0 by class name; they are normalised.
            seed: 0 to 2**64 - 1; None: the server chooses one.
            width_px: Width in px, twice the height: 1024, 2048, 4096 or 8192; 0: the recipe's,
                else 1024. Above 1024 the server's upscaler takes part.
            controls: Values by name, in the units and ranges that `get_model` returns; a control
                that is missing has its default.
            recipe: A recipe text ("tg1:..."), instead of classes, seed and controls.
            model: Model id; empty: the server's default environment model.
            encoding: Format of the panorama: EXR (half float, ZIP) or RAW (float16).
            batch: Lets interactive requests of other callers go first.
            on_progress: Called with each progress of the work.
            on_preview: Called with the kind and the PNG file of each small early picture.

        Returns:
            The environment; decode its panorama with `texgen.files.images.decode`.

        Raises:
            InvalidRequestError: An argument has the wrong type or is out of range.
            TexgenError: The call failed; `texgen.errors` lists the kinds.

        Example:
            ```python
            sky = await client.generate_environment("sunset_sunrise", seed=3, width_px=2048)
            ```
        """
        call = requests.generate_environment(
            classes,
            seed=seed,
            width_px=width_px,
            controls=controls,
            recipe=recipe,
            model=model,
            encoding=encoding,
            batch=batch,
        )
        assembler = await self.stream(call, on_progress, on_preview)
        return assembler.environment()

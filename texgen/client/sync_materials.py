# SPDX-License-Identifier: Apache-2.0
"""Calls of the synchronous client that return materials."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping

from texgen.maps import Encoding, MapKind, Material
from texgen.wire import requests
from texgen.wire.assembly import Assembler, Progress


class MaterialCalls(ABC):
    """The methods of `texgen.Client` that generate, vary, mix and capture materials."""

    @abstractmethod
    def stream(
        self,
        call: requests.TextureCall,
        on_progress: Callable[[Progress], None] | None = None,
        on_preview: Callable[[MapKind, bytes], None] | None = None,
    ) -> Assembler:
        """Run a call and assemble its events."""

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
        model: str = "",
        maps: Iterable[MapKind] = (),
        encoding: Encoding = Encoding.PNG,
        batch: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
        on_preview: Callable[[MapKind, bytes], None] | None = None,
    ) -> Material:
        """Generate one material from classes, from a prompt or from a recipe.

        Args:
            classes: A class name, or weights above 0 by class name; they are normalised.
            seed: 0 to 2**64 - 1; None: the server chooses one.
            size_px: (width, height) in px, multiples of 32; None: the recipe's, else 1024 x 1024.
            psi: Truncation, 0 (the average of the class) to 1.5; None: 1.
            controls: Values by name, in the units and ranges that `get_model` returns; a control
                that is missing has its default.
            recipe: A recipe text ("tg1:..."), instead of classes, prompt, seed, psi and controls.
            prompt: A description in English, instead of classes.
            window_px: (x, y, width, height) in px: generates only this part; None: everything.
            endless: Places the window in a field that never repeats, not on the tile.
            mask: The PNG file of a painted mixture, together with its recipe.
            detail: "sr": generates the maps four times smaller and enlarges them with the
                upscaler, up to 16384 px; empty: the recipe's way, else full size.
            model: Model id; empty: the server's default material model.
            maps: Kinds of map to return; empty: all.
            encoding: Format of the returned maps.
            batch: Lets interactive requests of other callers go first.
            on_progress: Called with each progress of the work.
            on_preview: Called with the kind and the PNG file of each small early picture.

        Returns:
            The material; decode its maps with `texgen.files.images.decode`.

        Raises:
            InvalidRequestError: An argument has the wrong type or is out of range.
            TexgenError: The call failed; `texgen.errors` lists the kinds.

        Example:
            ```python
            material = client.generate({"brick": 0.7, "rock": 0.3}, seed=7)
            ```
        """
        call = requests.generate(
            classes,
            seed=seed,
            size_px=size_px,
            psi=psi,
            controls=controls,
            recipe=recipe,
            prompt=prompt,
            window_px=window_px,
            endless=endless,
            mask=mask,
            detail=detail,
            model=model,
            maps=maps,
            encoding=encoding,
            batch=batch,
        )
        return self.stream(call, on_progress, on_preview).material()

    def vary(
        self,
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
        on_progress: Callable[[Progress], None] | None = None,
        on_preview: Callable[[MapKind, bytes], None] | None = None,
    ) -> list[Material]:
        """Generate variations of a recipe.

        Args:
            recipe: The recipe text to vary.
            amount: Distance from it, 0 (the same) to 1 (as far as another seed).
            locks: Properties that stay: any of "layout", "colour" and "relief".
            count: Number of variations, 1 to 64.
            seed: Seed of the first one, counting up, 0 to 2**64 - 1; None: the server chooses.
            size_px: (width, height) in px, multiples of 32; None: the recipe's.
            model: Model id; empty: the server's default material model.
            maps: Kinds of map to return; empty: all.
            encoding: Format of the returned maps.
            batch: Lets interactive requests of other callers go first.
            on_progress: Called with each progress of the work.
            on_preview: Called with the kind and the PNG file of each small early picture.

        Returns:
            The variations, in the order of their seeds.

        Raises:
            InvalidRequestError: An argument has the wrong type or is out of range.
            TexgenError: The call failed; `texgen.errors` lists the kinds.

        Example:
            ```python
            near = client.vary(material.recipe, 0.3, locks=["layout"], count=4)
            ```
        """
        call = requests.vary(
            recipe,
            amount,
            locks=locks,
            count=count,
            seed=seed,
            size_px=size_px,
            model=model,
            maps=maps,
            encoding=encoding,
            batch=batch,
        )
        return self.stream(call, on_progress, on_preview).materials()

    def mix(
        self,
        parts: Mapping[str, float] | Iterable[tuple[str, float]],
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
        on_progress: Callable[[Progress], None] | None = None,
        on_preview: Callable[[MapKind, bytes], None] | None = None,
    ) -> list[Material]:
        """Mix recipes.

        Args:
            parts: Two to eight recipes with their weights above 0, which are normalised.
            mode: "blend": everything by weight. "look": layout and shapes of the first part,
                colour and finish of the others. "paint": the mask chooses a part for each pixel.
                "transition": tiles from the first part (left) to the second (right).
            mask: For "paint": an 8-bit grey PNG file; 0 is the first part, 255 the last.
            steps: For "transition": number of tiles, 1 to 16.
            size_px: (width, height) in px, multiples of 32; None: the first part's.
            controls: Values of controls that act on finished maps, by name; a control that is
                missing has the weighted mean of the parts.
            model: Model id; empty: the server's default material model.
            maps: Kinds of map to return; empty: all.
            encoding: Format of the returned maps.
            batch: Lets interactive requests of other callers go first.
            on_progress: Called with each progress of the work.
            on_preview: Called with the kind and the PNG file of each small early picture.

        Returns:
            One material; for a transition one for each tile, from left to right.

        Raises:
            InvalidRequestError: An argument has the wrong type or is out of range.
            TexgenError: The call failed; `texgen.errors` lists the kinds.

        Example:
            ```python
            (both,) = client.mix({brick.recipe: 0.6, rock.recipe: 0.4})
            ```
        """
        call = requests.mix(
            parts,
            mode,
            mask=mask,
            steps=steps,
            size_px=size_px,
            controls=controls,
            model=model,
            maps=maps,
            encoding=encoding,
            batch=batch,
        )
        return self.stream(call, on_progress, on_preview).materials()

    def capture(
        self,
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
        on_progress: Callable[[Progress], None] | None = None,
        on_preview: Callable[[MapKind, bytes], None] | None = None,
    ) -> Material:
        """Find a material that looks like a photograph of a flat, evenly lit surface.

        Args:
            photo: Content of a PNG, JPEG or WebP file.
            class_name: Class to start from; empty: the nearest.
            palette: Colours for a grey photograph, sRGB as 0xRRGGBB, darkest first; empty: those
                of the nearest materials.
            seed: Seed of the noise, 0 to 2**64 - 1; None: the server chooses one.
            size_px: (width, height) in px, multiples of 32; None: 1024 x 1024.
            steps: Steps of refinement, 0 to 200; None: 100.
            model: Model id; empty: the server's default material model.
            maps: Kinds of map to return; empty: all.
            encoding: Format of the returned maps.
            batch: Lets interactive requests of other callers go first.
            on_progress: Called with each progress of the work.
            on_preview: Called with the kind and the PNG file of each small early picture.

        Returns:
            The material; its recipe holds what was found, so it can be varied and mixed.

        Raises:
            InvalidRequestError: An argument has the wrong type or is out of range, or the
                photograph cannot be read.
            TexgenError: The call failed; `texgen.errors` lists the kinds.

        Example:
            ```python
            wall = client.capture(Path("photo.jpg").read_bytes(), class_name="plaster")
            ```
        """
        call = requests.capture(
            photo,
            class_name=class_name,
            palette=palette,
            seed=seed,
            size_px=size_px,
            steps=steps,
            model=model,
            maps=maps,
            encoding=encoding,
            batch=batch,
        )
        return self.stream(call, on_progress, on_preview).material()

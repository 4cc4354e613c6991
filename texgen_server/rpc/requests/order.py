# SPDX-License-Identifier: Apache-2.0
"""Orders: checked requests for one result each, with the job that makes it. The fields that all
requests share are read here.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypedDict

from texgen.errors import InvalidRequestError
from texgen.maps import Encoding, MapKind
from texgen.modelcard import ModelCard
from texgen.pb import texgen_pb2 as pb
from texgen.recipes.detail import check_upscaler
from texgen.recipes.recipe import Recipe
from texgen.wire.enums import ENCODING_FROM_PB, KIND_FROM_PB
from texgen_server.engine.jobs import (
    BATCH,
    INTERACTIVE,
    CancelToken,
    Job,
    PreviewCallback,
    ProgressCallback,
)
from texgen_server.rpc.job_observer import JobObserver


class HasPriority(Protocol):
    """A request or its options, with the fields of all requests that make textures."""

    @property
    def priority(self) -> pb.Priority:
        """Order of the request in the queue."""

    @property
    def encoding(self) -> pb.Encoding:
        """Encoding of the maps to send."""


class HasMaps(HasPriority, Protocol):
    """A request that says which maps to send."""

    @property
    def maps(self) -> Iterable[pb.MapKind]:
        """Maps to send; empty: all."""


class JobOptions(TypedDict):
    """Arguments of a `Job` that come from the call, not from the request's content."""

    priority: int
    helpers: tuple[str, ...]
    token: CancelToken
    on_progress: ProgressCallback
    on_preview: PreviewCallback


@dataclass(frozen=True)
class Delivery:
    """Maps to send, and their encoding."""

    maps: list[MapKind]
    encoding: Encoding


@dataclass(frozen=True)
class Order:
    """A checked request for one result."""

    job: Job
    observer: JobObserver
    """Receives the job's progress and previews."""
    recipe_text: str
    """Empty for a capture, which has yet to find it, and for results that no recipe makes."""
    delivery: Delivery
    cacheable: bool = True
    """False where the cache must not keep the result."""


@dataclass(frozen=True)
class Host:
    """Everything besides the request and its model that orders depend on."""

    max_pixels: int
    """Most pixels of one result."""
    upscaler: Callable[[], ModelCard]
    """Returns the card of the upscaler; raises NotFoundError where there is none."""
    deadline: float = math.inf
    """Deadline of the call, in seconds of the monotonic clock."""
    loop: asyncio.AbstractEventLoop | None = None
    """The event loop of the call, which observers of jobs wake."""

    def observer(self) -> JobObserver:
        """Make the observer of a new job."""
        return JobObserver(self.loop)

    def job_options(
        self, request: HasPriority, observer: JobObserver, helpers: tuple[str, ...] = ()
    ) -> JobOptions:
        """Return the arguments of a job that come from the call."""
        return {
            "priority": BATCH if request.priority == pb.PRIORITY_BATCH else INTERACTIVE,
            "helpers": helpers,
            "token": CancelToken(self.deadline),
            "on_progress": observer.progress,
            "on_preview": observer.preview,
        }

    def helpers(self, recipe: Recipe) -> tuple[str, ...]:
        """Return the upscaler's id where a recipe needs it.

        Raises InvalidRequestError when the installed one is another version.
        """
        if recipe.detail is None:
            return ()
        upscaler = self.upscaler()
        check_upscaler(recipe.detail, upscaler)
        return (upscaler.id,)

    def check_size(self, size_px: tuple[int, int], field: str) -> None:
        """Raise InvalidRequestError when a result of that width and height is too large."""
        width_px, height_px = size_px
        if width_px * height_px > self.max_pixels:
            raise InvalidRequestError(
                f"{width_px} x {height_px} px is more than this server makes "
                f"({self.max_pixels} px)",
                field,
            )


def delivery_of(request: HasMaps, card: ModelCard) -> Delivery:
    """Read maps and encoding of a request. Raises InvalidRequestError."""
    return Delivery(_maps(request.maps, card), encoding_of(request.encoding))


def encoding_of(wanted: pb.Encoding) -> Encoding:
    """Convert an encoding; unspecified is PNG. Raises InvalidRequestError."""
    if wanted == pb.ENCODING_UNSPECIFIED:
        return Encoding.PNG
    if wanted not in ENCODING_FROM_PB:
        raise InvalidRequestError(f"encoding {wanted}: allowed are raw, png, exr", "encoding")
    return ENCODING_FROM_PB[wanted]


def _maps(wanted: Iterable[pb.MapKind], card: ModelCard) -> list[MapKind]:
    kinds = [KIND_FROM_PB.get(m) for m in wanted] or list(card.maps)
    chosen = [k for k in card.maps if k in kinds]
    if len(chosen) < len(set(kinds)):
        raise InvalidRequestError(
            f"a map that the model does not make: there are {', '.join(card.maps)}", "maps"
        )
    return chosen

# SPDX-License-Identifier: Apache-2.0
"""Configuration of a server, as one frozen value."""

from __future__ import annotations

import ipaddress
import json
import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from texgen.errors import InvalidRequestError


def default_cache_folder() -> Path | None:
    """Find where results and compiled graphs are kept: ``TEXGEN_CACHE``, else the user's cache
    folder of the platform.

    None where the user has no home: ``HOME`` is not set, and the system does not know the user's
    id.
    """
    if variable := os.environ.get("TEXGEN_CACHE"):
        return Path(variable)
    by_platform = {
        "win32": ("LOCALAPPDATA", "", "texgen/cache"),
        "darwin": ("", "Library/Caches", "texgen"),
    }
    variable, below_home, name = by_platform.get(
        sys.platform, ("XDG_CACHE_HOME", ".cache", "texgen")
    )
    if given := os.environ.get(variable):
        return Path(given) / name
    try:
        return Path.home() / below_home / name
    except RuntimeError:
        return None


LOG_FORMATS = ("text", "json")
ENGINES = ("local", "ray")


@dataclass(frozen=True)
class ServerConfig:
    """Settings of a server.

    Every field may stand in a TOML file, in a variable ``TEXGEN_<FIELD>``, or in a flag: the later
    wins.
    """

    host: str = "127.0.0.1"
    port: int = 50051
    """TCP port; 0 picks a free one."""
    token: str = field(default="", repr=False)
    """The one token of all clients; empty, and without ``tokens_file``: no token is required, which
    only a loopback address allows.
    """
    tokens_file: Path | None = None
    """File with names and hashes of tokens (`tokens`)."""
    tls_cert: Path | None = None
    """PEM file of the certificate: with it and ``tls_key`` the server speaks TLS."""
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    """PEM file of a CA: clients must show a certificate that it signed."""
    models: Path | None = None
    device: str = "auto"
    precision: str = "auto"
    threads: int = 0
    """CPU threads of a network; 0: the number that a measurement at the start finds fastest."""
    engine: str = "local"
    """Engine, one of `ENGINES`: this machine, or a Ray cluster."""
    ray_address: str = ""
    """Address of a running cluster, HOST:PORT or ``auto``; empty: a new cluster on this machine."""
    ray_min_replicas: int = 1
    ray_max_replicas: int = 4
    ray_cpus: float = 2.0
    """CPUs of each replica."""
    ray_gpus: float = 0.0
    """GPUs of each replica."""
    jobs: int = 0
    """Jobs at a time on each device; 0: a number that suits its kind."""
    models_bytes: int = 0
    """Most bytes of networks in memory of each device: beyond it the least recently used one is
    unloaded when another comes; 0: no limit.
    """
    cache_folder: Path | None = field(default_factory=default_cache_folder)
    """Folder for results and compiled networks; None: nothing is kept."""
    cache_bytes: int = 0
    """Most bytes of results on disk below ``cache_folder``; 0: no cache."""
    max_queue: int = 64
    max_in_flight: int = 256
    """Most calls for textures at a time, of all peers together."""
    max_in_flight_per_peer: int = 64
    max_pixels: int = 8192 * 8192
    max_pixels_in_flight: int = 16 * 8192 * 8192
    """Most pixels of all results that are queued or running."""
    max_message_bytes: int = 4 << 20
    grace_s: float = 10.0
    metrics_port: int = 0
    """Port of ``metrics_host`` for Prometheus metrics over HTTP; 0: none."""
    metrics_host: str = "127.0.0.1"
    log_format: str = "text"
    """Format of the log, one of `LOG_FORMATS`."""
    traces_endpoint: str = ""
    """Endpoint of OpenTelemetry traces over OTLP, such as ``http://127.0.0.1:4317``; empty: none.
    """

    @property
    def asks_for_tokens(self) -> bool:
        """Return True if clients must show a token."""
        return bool(self.token or self.tokens_file)


SECRET = ("token",)
"""Fields that are never printed."""


def load_config(
    path: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> ServerConfig:
    """Read the configuration: defaults, then a TOML file, then ``TEXGEN_*`` variables, then flags
    (None: not given); the later wins.

    Raises InvalidRequestError naming the wrong setting.
    """
    values: dict[str, Any] = dict(defaults or {})
    if path is not None:
        values |= {
            name: _converted(name, value, f"{path}") for name, value in _read_toml(path).items()
        }
    variables = os.environ if environment is None else environment
    for name in _fields():
        variable = f"{VARIABLE_PREFIX}{name.upper()}"
        if variable in variables and name not in NOT_FROM_VARIABLES:
            values[name] = _converted(name, variables[variable], variable)
    values |= {name: value for name, value in (flags or {}).items() if value is not None}
    config = ServerConfig(**values)
    _check(config)
    return config


VARIABLE_PREFIX = "TEXGEN_"
NOT_FROM_VARIABLES = ("models", "cache_folder")
"""Fields without a variable of their own: TEXGEN_MODELS and TEXGEN_CACHE serve the client's
commands too and are read where they are used.
"""


def _fields() -> dict[str, str]:
    """Return field name -> type, as written in the source."""
    return {f.name: str(f.type) for f in fields(ServerConfig)}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidRequestError(
            f"cannot read the configuration {path}: {error.strerror}", "config"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{path} is not valid TOML: {error}", "config") from error
    return document


def _converted(name: str, value: Any, source: str) -> Any:
    """Convert a value of a file or a variable to the field's type. Raises InvalidRequestError."""
    types = _fields()
    if name not in types:
        raise InvalidRequestError(
            f"{source}: there is no setting {name!r}; there are {', '.join(types)}", name
        )
    try:
        if "Path" in types[name]:
            return Path(str(value)).expanduser()
        return {"int": int, "float": float, "str": str}[types[name]](value)
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(
            f"{source}: {name} = {value!r} is no {types[name]}", name
        ) from error
    except RuntimeError as error:  # of expanduser
        raise InvalidRequestError(
            f"{source}: {name} = {value!r}: this user has no home folder; write the whole path",
            name,
        ) from error


def _check(config: ServerConfig) -> None:
    _check_numbers(config)
    for name, allowed in (("log_format", LOG_FORMATS), ("engine", ENGINES)):
        if getattr(config, name) not in allowed:
            raise InvalidRequestError(
                f"{name} {getattr(config, name)!r}: allowed are {', '.join(allowed)}", name
            )
    if bool(config.tls_cert) != bool(config.tls_key):
        raise InvalidRequestError(
            "TLS takes both a certificate and its key: give tls_cert and tls_key", "tls_cert"
        )
    if config.tls_client_ca and not config.tls_cert:
        raise InvalidRequestError(
            "tls_client_ca asks clients for certificates, which only TLS can: give tls_cert "
            "and tls_key too",
            "tls_client_ca",
        )
    check_exposure(config)


def _check_numbers(config: ServerConfig) -> None:
    for name in (
        "max_queue",
        "max_in_flight",
        "max_in_flight_per_peer",
        "max_pixels",
        "max_pixels_in_flight",
        "max_message_bytes",
    ):
        if getattr(config, name) < 1:
            raise InvalidRequestError(f"{name} = {getattr(config, name)}: give 1 or more", name)
    for name, none in (
        ("cache_bytes", "no cache"),
        ("models_bytes", "no limit"),
        ("jobs", "as many as suit"),
        ("threads", "as many as are fastest"),
    ):
        if getattr(config, name) < 0:
            raise InvalidRequestError(
                f"{name} = {getattr(config, name)}: give 0 ({none}) or more", name
            )
    for name in ("port", "metrics_port"):
        if not 0 <= getattr(config, name) <= 65535:
            raise InvalidRequestError(
                f"{name} = {getattr(config, name)}: allowed are 0 to 65535", name
            )
    if not 1 <= config.ray_min_replicas <= config.ray_max_replicas:
        raise InvalidRequestError(
            f"ray_min_replicas = {config.ray_min_replicas}, ray_max_replicas = "
            f"{config.ray_max_replicas}: give 1 or more, and no fewer at most",
            "ray_min_replicas",
        )


def printed(config: ServerConfig) -> str:
    """Write the configuration as TOML; of secrets only that they are set or not."""
    lines = []
    for name in _fields():
        value = getattr(config, name)
        if name in SECRET:
            lines.append(f"# {name} is {'set' if value else 'not set'}")
        elif value is None:
            lines.append(f"# {name} is not set")
        else:
            lines.append(f"{name} = {json.dumps(str(value) if isinstance(value, Path) else value)}")
    return "\n".join(lines) + "\n"


def parse_listen(text: str) -> tuple[str, int]:
    """Split an address such as ``"127.0.0.1:50051"`` into (host, port). Raises
    InvalidRequestError.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not 0 <= int(port) <= 65535 or not host:
        raise InvalidRequestError(
            f"address {text!r}: write HOST:PORT, such as 127.0.0.1:50051", "listen"
        )
    return host, int(port)


def check_exposure(config: ServerConfig) -> None:
    """Refuse a non-loopback address without TLS and a token. Raises InvalidRequestError."""
    try:
        loopback = ipaddress.ip_address(config.host.strip("[]")).is_loopback
    except ValueError:
        loopback = config.host == "localhost"
    missing = [
        what
        for what, there in (
            ("TLS (tls_cert, tls_key)", config.tls_cert),
            ("a token (tokens_file)", config.asks_for_tokens),
        )
        if not there
    ]
    if not loopback and missing:
        raise InvalidRequestError(
            f"address {config.host!r} is not loopback, and {' and '.join(missing)} "
            f"{'are' if len(missing) > 1 else 'is'} missing: give both, or "
            "listen on 127.0.0.1 and bring clients in through an SSH tunnel (ssh -L "
            "50051:127.0.0.1:50051 HOST)",
            "listen",
        )

# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the extension's zip: this folder, pure-Python gRPC wheels, and a small wheel of the part of
texgen that Blender can import.

    python blender_addon/build.py --out dist

The third-party wheels come from the package registry once and are kept in ``.cache/addon-wheels``;
after that it works offline.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import re
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
WHEEL_CACHE = ROOT / ".cache" / "addon-wheels"
ADDON_FILES = tuple(
    sorted(p.relative_to(HERE).as_posix() for p in HERE.rglob("*.py") if p.name != "build.py")
)
TEXGEN_MODULES = (
    "__init__.py",
    "_version.py",
    "arguments.py",
    "errors.py",
    "maps.py",
    "modelcard.py",
    "pb/__init__.py",
    "pb/texgen_pb2.py",
    "recipes/__init__.py",
    "recipes/build.py",
    "recipes/decode.py",
    "recipes/encode.py",
    "recipes/recipe.py",
    "recipes/text.py",
    "recipes/varint.py",
    "wire/__init__.py",
    "wire/assembly.py",
    "wire/chunks.py",
    "wire/enums.py",
    "wire/request_fields.py",
    "wire/requests.py",
    "wire/results.py",
)
REQUIREMENTS = (
    "grpclib==0.4.9",
    "h2==4.4.1",
    "hpack==4.2.0",
    "hyperframe==6.1.0",
    "multidict==7.2.1",
    "protobuf==7.36.2",
)
FIXED_TIME = (2026, 1, 1, 0, 0, 0)
GPL_FILE = "LICENSE"


def main(arguments: list[str] | None = None) -> int:
    """Build the zip and print its path."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the zip")
    options = parser.parse_args(arguments)
    sys.stdout.write(f"{build(options.out)}\n")
    return 0


def build(out: Path) -> Path:
    """Write ``texgen-<version>.zip`` into ``out``; the same sources give the same bytes."""
    version = runpy.run_path(str(ROOT / "texgen" / "_version.py"))["__version__"]
    wheels = {p.name: p.read_bytes() for p in third_party_wheels()}
    wheels[f"texgen_blender-{version}-py3-none-any.whl"] = texgen_wheel(version)
    manifest = (HERE / "blender_manifest.toml").read_text(encoding="utf-8")
    listed = ",\n".join(f'  "./wheels/{name}"' for name in sorted(wheels))
    manifest = manifest.replace("wheels = []", f"wheels = [\n{listed},\n]")
    manifest = re.sub(
        r'^version = ".*"$', f'version = "{version}"', manifest, count=1, flags=re.MULTILINE
    )
    files = {"blender_manifest.toml": manifest.encode(), GPL_FILE: (HERE / GPL_FILE).read_bytes()}
    files |= {name: (HERE / name).read_bytes() for name in ADDON_FILES}
    files |= {f"wheels/{name}": data for name, data in wheels.items()}
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"texgen-{version}.zip"
    path.write_bytes(_zip(files))
    return path


def third_party_wheels() -> list[Path]:
    """Return paths of the pinned pure-Python wheels; download those missing from the cache."""
    names = [r.split("==")[0] for r in REQUIREMENTS]
    found = [
        next(iter(WHEEL_CACHE.glob(f"{r.replace('==', '-')}-*none-any.whl")), None)
        for r in REQUIREMENTS
    ]
    if not all(found):
        WHEEL_CACHE.mkdir(parents=True, exist_ok=True)
        target = [
            "--platform",
            "any",
            "--implementation",
            "py",
            "--abi",
            "none",
            "--python-version",
            "3.11",
        ]
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--only-binary=:all:",
            *target,
            "-d",
            str(WHEEL_CACHE),
            *REQUIREMENTS,
        ]
        subprocess.run(command, check=True)  # noqa: S603 - our own arguments
        found = [
            next(iter(WHEEL_CACHE.glob(f"{r.replace('==', '-')}-*none-any.whl")), None)
            for r in REQUIREMENTS
        ]
    missing = [n for n, p in zip(names, found, strict=True) if p is None]
    if missing:
        raise SystemExit(f"no pure-Python wheel of {', '.join(missing)} in {WHEEL_CACHE}")
    return [p for p in found if p is not None]


def texgen_wheel(version: str) -> bytes:
    """Pack the modules of texgen that run inside Blender into a wheel.

    The same sources give the same bytes.
    """
    info = f"texgen_blender-{version}.dist-info"
    files = {f"texgen/{name}": (ROOT / "texgen" / name).read_bytes() for name in TEXGEN_MODULES}
    files[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: texgen-blender\nVersion: {version}\nLicense: Apache-2.0\n"
    ).encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: texgen\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    rows = [f"{name},sha256={_hash(data)},{len(data)}" for name, data in files.items()]
    files[f"{info}/RECORD"] = ("\n".join([*rows, f"{info}/RECORD,,"]) + "\n").encode()
    return _zip(files)


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def _zip(files: dict[str, bytes]) -> bytes:
    """Zip files with a fixed time and order."""
    from io import BytesIO

    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, FIXED_TIME), files[name], zipfile.ZIP_DEFLATED)
    return out.getvalue()


if __name__ == "__main__":
    raise SystemExit(main())

# SPDX-License-Identifier: Apache-2.0
"""The JSON documents that texgen writes beside its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object; its values have the types that `json` reads and writes."""
Sidecar: TypeAlias = JsonObject
"""The content of a sidecar, as `texgen.files.material.material_sidecar` and
`texgen.files.environment.environment_sidecar` build it.
"""


def json_bytes(document: Mapping[str, Any]) -> bytes:
    """Format a document as texgen's JSON files."""
    return (json.dumps(document, indent=2) + "\n").encode()

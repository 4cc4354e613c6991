# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

from texgen.files.document import json_bytes


def test_a_document_is_readable_and_ends_with_a_line():
    document = {"generator": "texgen", "size_px": [1, 2]}
    data = json_bytes(document)
    assert json.loads(data) == document
    assert data.endswith(b"}\n")
    assert data.count(b"\n") > len(document)

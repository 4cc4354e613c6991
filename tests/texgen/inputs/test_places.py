# SPDX-License-Identifier: Apache-2.0
"""Folders with links, junk and odd names; archives."""

from __future__ import annotations

import os
import zipfile

import pytest

from texgen.errors import InvalidRequestError
from texgen.inputs.places import Source, is_junk, list_sources


def names(sources):
    return [s.name for s in sources]


def test_junk_of_other_systems_is_ignored(tmp_path):
    for name in ("._a.png", ".DS_Store", "Thumbs.db", "desktop.ini", "a.png", "b.png.partial"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "c.png").write_bytes(b"")
    assert names(list_sources(tmp_path, deep=True)) == ["a.png"]
    assert is_junk("THUMBS.DB")


def test_links_are_followed_once(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.png").write_bytes(b"")
    (tmp_path / "inner" / "loop").symlink_to(tmp_path)
    (tmp_path / "link.png").symlink_to(tmp_path / "inner" / "a.png")
    assert sorted(names(list_sources(tmp_path, deep=True))) == ["a.png", "link.png"]


def test_any_legal_path_is_read(tmp_path):
    folder = tmp_path / "[WIP] 50% off #1 '\u00fc'"
    folder.mkdir()
    (folder / "a b.png").write_bytes(b"x")
    (found,) = list_sources(folder, deep=False)
    assert found.read() == b"x"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    (found,) = list_sources(tmp_path, deep=False)
    with pytest.raises(InvalidRequestError, match="no regular file"):
        found.read()


def test_an_archive_is_read_like_its_folder(tmp_path):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("top/a_color.png", b"1")
        archive.writestr("__MACOSX/top/._a_color.png", b"2")
    (found,) = list_sources(path, deep=False)
    assert (found.name, found.stem, found.suffix) == ("a_color.png", "a_color", ".png")
    assert found.read() == b"1"
    assert str(found) == f"{path}/top/a_color.png"


def test_a_damaged_archive_is_refused(tmp_path):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a_color.png", b"1" * 1000)
    data = bytearray(path.read_bytes())
    data[60:80] = bytes(20)
    path.write_bytes(data)
    with pytest.raises(InvalidRequestError):
        list_sources(path, deep=False)[0].read()


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InvalidRequestError, match="No such file"):
        Source(tmp_path / "gone.png").read()

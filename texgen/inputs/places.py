# SPDX-License-Identifier: Apache-2.0
"""Lists the files of a folder or of a zip archive, without junk, loops and things that block."""

from __future__ import annotations

import atexit
import os
import stat
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from texgen.errors import InvalidRequestError

JUNK_NAMES = frozenset({"thumbs.db", "desktop.ini", "icon\r", ".ds_store", ".localized"})
JUNK_FOLDERS = frozenset({"__macosx", ".appledouble", "$recycle.bin", ".git", ".trash"})
MAX_ARCHIVE_FILES = 10_000
MAX_ARCHIVE_FILE_BYTES = 2 << 30


@dataclass(frozen=True)
class Source:
    """A file to read: on disk, or a member of an archive."""

    path: Path
    """The file on disk, or the archive."""
    member: str = ""
    """Name within the archive; empty for a file on disk."""

    @property
    def name(self) -> str:
        """File name, in NFC."""
        name = PurePosixPath(self.member).name if self.member else self.path.name
        return unicodedata.normalize("NFC", name)

    @property
    def folder(self) -> str:
        """Folder within the source, to keep sets of different folders apart."""
        return str(PurePosixPath(self.member).parent) if self.member else str(self.path.parent)

    @property
    def stem(self) -> str:
        """File name without its last extension, in NFC."""
        return self.name.rpartition(".")[0] or self.name

    @property
    def suffix(self) -> str:
        """Extension in lower case, with the dot; empty if there is none."""
        return "." + self.name.rpartition(".")[2].lower() if "." in self.name else ""

    def __str__(self) -> str:
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    def read(self) -> bytes:
        """Read the file. Raises InvalidRequestError."""
        try:
            if not self.member:
                _check_regular(self.path)
                return self.path.read_bytes()
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(self.member)
        except OSError as error:
            raise InvalidRequestError(
                f"cannot read {self}: {error.strerror or error}", "picture"
            ) from error
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
            raise InvalidRequestError(f"cannot read {self}: {error}", "picture") from error


def _check_regular(path: Path) -> None:
    """Refuse pipes and devices, which block readers. Raises InvalidRequestError, OSError."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise InvalidRequestError(f"{path} is no regular file", "picture")


def is_junk(name: str) -> bool:
    """Return whether a file is left by a system or by an unfinished write, not by a person."""
    lower = name.lower()
    return lower.startswith((".", "~$")) or lower in JUNK_NAMES or lower.endswith(".partial")


def list_sources(source: Path, *, deep: bool) -> list[Source]:
    """List the files of a folder (and, if ``deep``, below it) or of a zip archive, sorted.

    Links are followed once: a folder that has been visited is not visited again. Raises
    InvalidRequestError for what is neither a folder nor an archive, or cannot be read.
    """
    if source.is_dir():
        return [Source(path) for path in sorted(_walk(source, deep=deep))]
    if zipfile.is_zipfile(source):
        return sorted(_members(source), key=lambda s: s.member)
    raise InvalidRequestError(f"{source} is neither a folder nor a zip archive", "source")


def unpack(archive: Path) -> Path:
    """Write the files of a zip archive into a temporary folder, flat, which the program's end
    removes. Raises InvalidRequestError for two files of one name.
    """
    holder = tempfile.TemporaryDirectory(prefix="texgen")
    atexit.register(holder.cleanup)
    folder = Path(holder.name) / archive.stem
    folder.mkdir()
    for member in _members(archive):
        target = folder / member.name
        if target.exists():
            raise InvalidRequestError(
                f"{archive} holds two files named {member.name}: unpack it and take its folders "
                f"one by one",
                "source",
            )
        target.write_bytes(member.read())
    return folder


def _walk(top: Path, *, deep: bool) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    folders = [top]
    while folders:
        folder = folders.pop()
        status = folder.stat()
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            raise InvalidRequestError(
                f"cannot list {folder}: {error.strerror}", "source"
            ) from error
        for entry in entries:
            if entry.is_dir():
                if deep and entry.name.lower() not in JUNK_FOLDERS:
                    folders.append(Path(entry.path))
            elif not is_junk(entry.name):
                yield Path(entry.path)


def _members(path: Path) -> Iterator[Source]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir()]
    except (OSError, zipfile.BadZipFile) as error:
        raise InvalidRequestError(f"cannot read {path}: {error}", "source") from error
    if len(members) > MAX_ARCHIVE_FILES:
        raise InvalidRequestError(
            f"{path} holds {len(members)} files: at most {MAX_ARCHIVE_FILES} are read", "source"
        )
    for member in members:
        parts = [p.lower() for p in PurePosixPath(member.filename).parts]
        if JUNK_FOLDERS.intersection(parts[:-1]) or not parts or is_junk(parts[-1]):
            continue
        if member.file_size > MAX_ARCHIVE_FILE_BYTES:
            raise InvalidRequestError(
                f"{path}/{member.filename} has {member.file_size} bytes: at most "
                f"{MAX_ARCHIVE_FILE_BYTES} are read from an archive",
                "source",
            )
        yield Source(path, member.filename)

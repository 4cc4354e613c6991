# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a server on this computer as a child process of Blender: started by a button, ended with
Blender. Does not use bpy.
"""

import atexit
import collections
import queue
import shlex
import subprocess
import threading

STARTED = "texgen is serving on "
KEPT_LINES = 50
STOP_S = 5.0

_lines: collections.deque[str] = collections.deque(maxlen=KEPT_LINES)
_addresses: queue.SimpleQueue[str] = queue.SimpleQueue()
_process: subprocess.Popen[str] | None = None


def start(command: str) -> None:
    """Start ``command serve`` on a free loopback port.

    Raises ValueError with the command that installs what is missing.
    """
    global _process
    if running():
        return
    _lines.clear()
    words = [*shlex.split(command), "serve", "--listen", "127.0.0.1:0"]
    try:
        _process = subprocess.Popen(  # noqa: S603 - the command of the preferences
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
    except OSError as error:
        raise ValueError(
            f"{words[0]!r} cannot be run ({error.strerror}). Install it once, in a Python of "
            f"its own: pip install 'texgen[server]', "
            "then give its full path as Command"
        ) from error
    threading.Thread(target=_read, args=(_process,), name="texgen-log", daemon=True).start()


def _read(process: subprocess.Popen[str]) -> None:
    """Store the last lines of output, and queue the address once it is printed."""
    assert process.stdout is not None
    for line in process.stdout:
        _lines.append(line.rstrip())
        if STARTED in line:
            _addresses.put(line.split(STARTED, 1)[1].split()[0])
    _lines.append(f"The server ended with code {process.wait()}")


def address() -> str:
    """Return HOST:PORT once after a started server begins to listen; otherwise an empty string."""
    return "" if _addresses.empty() else _addresses.get()


def running() -> bool:
    return _process is not None and _process.poll() is None


def last_lines(count: int) -> list[str]:
    """Return the last lines of the server's log."""
    return list(_lines)[-count:]


def stop() -> None:
    """Terminate the server, and kill it if it does not end. Safe to call twice."""
    global _process
    if _process is None:
        return
    _process.terminate()
    try:
        _process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        _process.kill()
    if _process.stdout is not None:
        _process.stdout.close()
    _process = None


atexit.register(stop)

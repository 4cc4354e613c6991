# SPDX-License-Identifier: Apache-2.0
"""What the tests of faults need: a server in a process of its own, a proxy that spoils connections,
and a tally.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

from texgen.errors import TexgenError


class ServerProcess:
    """`texgen serve` on tiny models; torch on the CPU."""

    def __init__(self, models, cache, *flags, **limits):
        self.command = [
            sys.executable,
            "-m",
            "texgen",
            "serve",
            "--models",
            str(models),
            "--device",
            "torch",
            "--threads",
            "1",
            *flags,
        ]
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("TEXGEN_")} | {
            "TEXGEN_CACHE": str(cache)
        }
        self.limits, self.port, self.process = limits, 0, None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if not self.process.stdout.closed:
            self.kill()

    def start(self):
        """On the port it had before, if it had one."""
        self.process = subprocess.Popen(
            [*self.command, "--listen", f"127.0.0.1:{self.port}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=self.environment,
            **self.limits,
        )
        said = self.process.stdout.readline()
        if not said:
            self.kill()
            raise RuntimeError("the server did not start")
        self.address = said.split()[4]
        self.port = int(self.address.rpartition(":")[2])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)
        self.process.stdout.close()

    def memory_bytes(self):
        with open(f"/proc/{self.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def handles(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


class Proxy:
    """Between a client and a server; each connection meets one fault, drawn from a seed."""

    FAULTS = ("none", "delay", "reset", "half-closed", "byte-limited", "cut short")

    def __init__(self, port, seed):
        self.target, self.random, self.open = port, random.Random(seed), True
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open = False
        self.listener.close()

    def _accept(self):
        while self.open:
            try:
                inside, _ = self.listener.accept()
            except OSError:
                return
            fault, after = self.random.choice(self.FAULTS), self.random.randrange(200, 200_000)
            threading.Thread(target=self._serve, args=(inside, fault, after), daemon=True).start()

    def _serve(self, inside, fault, after):
        try:
            outside = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            inside.close()
            return
        up = threading.Thread(target=self._pump, args=(inside, outside, "none", 0), daemon=True)
        up.start()
        self._pump(outside, inside, fault, after)

    def _pump(self, source, sink, fault, after):
        """From one to the other; the fault comes after so many bytes."""
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(1024 if fault == "byte-limited" else 65536):
                if fault == "delay":
                    time.sleep(0.01)
                if fault == "cut short" and passed + len(data) > after:
                    sink.sendall(data[: after - passed])
                    break
                sink.sendall(data)
                passed += len(data)
                if passed > after and fault == "reset":
                    sink.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                    break
                if passed > after and fault == "half-closed":
                    sink.shutdown(socket.SHUT_WR)
                    time.sleep(0.2)
                    break
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.close()


@dataclass
class Tally:
    """Tried, survived (a right answer, or an error that tells what happened), lost (a wrong answer,
    or none), wrong status.
    """

    name: str
    tried: int = 0
    right: int = 0
    told: dict = field(default_factory=dict)
    lost: list = field(default_factory=list)
    wrong: list = field(default_factory=list)

    def call(self, work, expected, allowed):
        """Do the work: it returns what is ``expected``, or raises one of ``allowed``."""
        self.tried += 1
        try:
            got = work()
        except allowed as error:
            self.told[type(error).__name__] = self.told.get(type(error).__name__, 0) + 1
        except TexgenError as error:
            self.wrong.append(repr(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the call is lost
            self.lost.append(repr(error))
        else:
            if got == expected:
                self.right += 1
            else:
                self.lost.append("another result")

    def row(self):
        told = ", ".join(f"{n} {kind}" for kind, n in sorted(self.told.items()))
        survived = self.tried - len(self.lost) - len(self.wrong)
        counts = f"{self.tried:>7}{survived:>10}{len(self.lost):>6}{len(self.wrong):>14}"
        return f"{self.name:<42}{counts}   {self.right} right{', ' if told else ''}{told}"

    def check(self):
        assert not self.lost, self.lost[:3]
        assert not self.wrong, self.wrong[:3]


HEADER = f"{'':<42}{'tried':>7}{'survived':>10}{'lost':>6}{'wrong status':>14}"

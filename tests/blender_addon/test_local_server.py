# SPDX-License-Identifier: Apache-2.0
"""The server that the add-on runs as a child process, without Blender."""

from __future__ import annotations

import shlex
import sys
import time

import pytest

from blender_addon import local_server

LISTENS = (
    "print('texgen is serving on 127.0.0.1:4711 (test)', flush=True); import time; time.sleep(60)"
)


@pytest.fixture(autouse=True)
def stopped():
    yield
    local_server.stop()


def command(program):
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(program)}"


def wait_for(condition):
    until = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_its_address_is_told_once_and_it_ends_when_stopped():
    local_server.start(command(LISTENS))
    addresses = []
    wait_for(lambda: addresses.append(local_server.address()) or addresses[-1])
    assert addresses[-1] == "127.0.0.1:4711"
    assert local_server.address() == ""
    assert local_server.running()
    local_server.stop()
    assert not local_server.running()


def test_a_second_start_leaves_the_first_alone():
    local_server.start(command(LISTENS))
    wait_for(local_server.address)
    local_server.start(command("raise SystemExit(3)"))
    assert local_server.running()


def test_the_last_lines_say_why_it_ended():
    local_server.start(command("print('no model here'); raise SystemExit(4)"))
    wait_for(lambda: any("code 4" in line for line in local_server.last_lines(6)))
    assert "no model here" in local_server.last_lines(6)
    assert not local_server.running()


def test_a_command_that_is_not_there_is_refused_with_what_to_install():
    with pytest.raises(ValueError, match=r"pip install 'texgen\[server\]'"):
        local_server.start("no-such-command-anywhere")

# SPDX-License-Identifier: Apache-2.0
"""Who may call: tokens, TLS, certificates, limits, what is refused at the start and what is never
shown.
"""

from __future__ import annotations

import hmac
import os
import re
import stat
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import grpc
import pytest

from texgen.cli import main
from texgen.client import Client
from texgen.errors import (
    AuthenticationError,
    CancelledError,
    CapacityError,
    ConnectionFailedError,
    InvalidRequestError,
    NotFoundError,
)
from texgen.maps import Encoding
from texgen.modelcard import find_card
from texgen.pb import texgen_pb2 as pb
from texgen.pb import texgen_pb2_grpc as pb_grpc
from texgen_server.config import ServerConfig, check_exposure, load_config, printed
from texgen_server.engine.jobs import CancelToken
from texgen_server.observability.call_record import Peer
from texgen_server.rpc.admission import Admission
from texgen_server.rpc.server import EmbeddedServer
from texgen_server.tokens import Token, create_token, find_token, hashed, read_tokens


def test_a_token_is_shown_once_and_kept_as_a_hash(tmp_path, capsys):
    path = tmp_path / "tokens.toml"
    assert (
        main(["token", "create", "--file", str(path), "--name", "studio", "--max-in-flight", "2"])
        == 0
    )
    token = capsys.readouterr().out.strip()
    other = create_token(path, "farm")
    assert token not in path.read_text()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    tokens = read_tokens(path)
    assert [(t.name, t.max_in_flight) for t in tokens] == [("studio", 2), ("farm", 0)]
    assert (find_token(tokens, token).name, find_token(tokens, other).name) == ("studio", "farm")
    assert find_token(tokens, token[:-1]) is None
    with pytest.raises(InvalidRequestError, match="already"):
        create_token(path, "studio")
    with pytest.raises(InvalidRequestError, match="letters"):
        create_token(path, 'x"]\n')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no token"),
        ("[[token]]\nname = 'a'", "sha256"),
        ("[[token]]\nname = 'a'\nsha256 = 'plain'", "texgen token create"),
        ("token = [", "not valid TOML"),
    ],
)
def test_a_broken_token_file_is_refused(tmp_path, text, said):
    (tmp_path / "tokens.toml").write_text(text)
    with pytest.raises(InvalidRequestError, match=said):
        read_tokens(tmp_path / "tokens.toml")


def test_tls_tokens_and_client_certificates(models, authority, tmp_path):
    """With TLS, a file of tokens and certificates asked of clients: all three or nothing."""
    tokens = tmp_path / "tokens.toml"
    token = create_token(tokens, "studio")
    cert, key = authority["server"]
    config = ServerConfig(
        port=0,
        models=models,
        device="torch",
        grace_s=0.5,
        tokens_file=tokens,
        tls_cert=cert,
        tls_key=key,
        tls_client_ca=authority["ca"],
    )
    with EmbeddedServer(config) as server:
        with Client(server.address, token, authority["ca"], tls_pair=authority["artist"]) as client:
            assert (
                client.generate("bark", seed=1, size_px=(32, 32), encoding=Encoding.RAW).seed == 1
            )
        with (
            Client(
                server.address, "tgt_wrong", authority["ca"], tls_pair=authority["artist"]
            ) as client,
            pytest.raises(AuthenticationError),
        ):
            client.get_model()
        for stranger in (
            Client(server.address, token, authority["ca"]),
            Client(server.address, token),
        ):
            with stranger, pytest.raises(ConnectionFailedError):
                stranger.get_model()


def test_outside_of_loopback_tls_and_a_token_are_a_must(authority, tmp_path, capsys):
    cert, key = map(str, authority["server"])
    for flags, missing in (
        ((), "TLS .* and a token"),
        (("--tls-cert", cert, "--tls-key", key), "a token"),
    ):
        assert main(["serve", "--listen", "0.0.0.0:0", *flags]) == 2
        said = capsys.readouterr().err
        assert "SSH tunnel" in said
        assert re.search(missing, said)
    with pytest.raises(InvalidRequestError, match="its key"):
        load_config(flags={"tls_cert": authority["server"][0]})
    tokens = tmp_path / "tokens.toml"
    create_token(tokens, "studio")
    open_config = load_config(
        flags={
            "host": "0.0.0.0",
            "tls_cert": authority["server"][0],
            "tls_key": authority["server"][1],
            "tokens_file": tokens,
        }
    )
    assert open_config.asks_for_tokens


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "render-box"])
def test_exposure_is_refused_by_the_settings_alone(host):
    with pytest.raises(InvalidRequestError, match="loopback"):
        check_exposure(ServerConfig(host=host))
    for inside in ("127.0.0.1", "::1", "localhost"):
        check_exposure(ServerConfig(host=inside))


def test_tokens_are_compared_in_constant_time_all_of_them(monkeypatch):
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append(a) or real(a, b))
    tokens = tuple(Token(name, hashed(name)) for name in ("first", "second", "third"))
    for given in ("first", "third", "none"):
        find_token(tokens, given)
    assert len(compared) == 3 * len(tokens)


def test_settings_come_from_file_variables_and_flags_in_this_order(tmp_path, capsys, monkeypatch):
    path = tmp_path / "texgen.toml"
    path.write_text("port = 1111\nmax_queue = 7\ngrace_s = 2\n")
    config = load_config(
        path, {"max_queue": 9, "threads": None}, {"TEXGEN_PORT": "2222", "TEXGEN_TOKEN": "hush"}
    )
    assert (config.port, config.max_queue, config.grace_s, config.threads, config.token) == (
        2222,
        9,
        2.0,
        0,
        "hush",
    )
    assert "hush" not in printed(config)
    assert "hush" not in repr(config)
    assert "token is set" in printed(config)
    monkeypatch.setenv("TEXGEN_PORT", "3333")
    assert main(["serve", "--config", str(path), "--print-config"]) == 0
    shown = capsys.readouterr().out
    assert "port = 3333" in shown
    (tmp_path / "again.toml").write_text(shown)
    monkeypatch.delenv("TEXGEN_PORT")
    assert load_config(tmp_path / "again.toml").port == 3333
    for wrong, said in (
        ("prot = 1", "no setting 'prot'"),
        ("port = 'x'", "is no int"),
        ("max_queue = 0", "1 or more"),
        ("port = 70000", "0 to 65535"),
    ):
        path.write_text(wrong)
        with pytest.raises(InvalidRequestError, match=said):
            load_config(path)


def test_admission_counts_calls_and_pixels_and_gives_back_when_the_work_ends():
    admission = Admission(
        ServerConfig(max_in_flight=3, max_in_flight_per_peer=2, max_pixels_in_flight=100)
    )
    artist, farm = Peer("artist"), Peer("farm", 1)
    first = admission.enter(artist, 60)
    with pytest.raises(CapacityError, match="pixels"):
        admission.enter(artist, 60)
    second = admission.enter(artist, 30)
    with pytest.raises(CapacityError, match="one peer"):
        admission.enter(artist, 1)
    third = admission.enter(farm, 1)
    with pytest.raises(CapacityError, match="this server"):
        admission.enter(Peer("other"), 1)
    running: Future[None] = Future()
    first.release_after([running])
    assert admission.in_flight() == 3
    running.set_result(None)
    assert admission.in_flight() == 2
    admission.enter(artist, 60).release_after([])
    second.release_after([])
    third.release_after([])
    assert admission.in_flight() == 0
    huge = admission.enter(artist, 10**9)  # alone, anything goes that a single request may ask for
    huge.release_after([])


def test_a_message_beyond_the_limit_is_refused(models):
    config = ServerConfig(
        port=0, models=models, device="torch", grace_s=0.5, max_message_bytes=1 << 20
    )
    with EmbeddedServer(config) as server, grpc.insecure_channel(server.address) as channel:
        large = pb.GenerateMaterialRequest(model="x" * (2 << 20))
        with pytest.raises(grpc.RpcError) as caught:
            list(pb_grpc.TextureServiceStub(channel).GenerateMaterial(large))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in caught.value.details()


def test_a_peer_at_its_limit_is_told_so_and_retries_succeed(models, tmp_path):
    tokens = tmp_path / "tokens.toml"
    token = create_token(tokens, "studio", max_in_flight=1)
    config = ServerConfig(port=0, models=models, device="torch", grace_s=0.5, tokens_file=tokens)
    seeds = []
    with EmbeddedServer(config) as server, Client(server.address, token) as client:
        client.generate("bark", seed=0, size_px=(32, 32))
        threads = [
            threading.Thread(
                target=lambda s=s: seeds.append(
                    client.generate("bark", seed=s, size_px=(256, 256)).seed
                )
            )
            for s in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(seeds) == [0, 1, 2]  # the retry policy brought the refused ones through


def test_work_past_its_deadline_stops():
    token = CancelToken()
    token.check()
    token.deadline = time.monotonic() - 0.001
    with pytest.raises(CancelledError, match="deadline"):
        token.check()


def test_a_deadline_reaches_the_engine(client, server):
    with Client(server, "secret", deadline_s=0.15) as hasty:
        hasty.get_model()
        with pytest.raises(CancelledError):
            hasty.generate("bark", seed=1, size_px=(2048, 2048))
    assert client.generate("bark", seed=1, size_px=(32, 32)).seed == 1


def test_a_token_in_a_log_or_an_error_would_be_a_leak(server, caplog):
    with grpc.insecure_channel(server) as channel:
        call = channel.unary_unary("/texgen.v1.ModelService/GetModel")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"", metadata=(("authorization", "Bearer tgt_do_not_show"),))
    assert "do_not_show" not in str(caught.value.details()) + caplog.text
    assert find_token((Token("a", hashed("x")),), "y") is None


@pytest.mark.parametrize(
    "model", ["../../etc/passwd", "x" * 5000, "material/../material", "/etc", "\u0000"]
)
def test_what_a_client_calls_a_model_never_becomes_a_path(models, model, monkeypatch):
    """Ids are looked up among the folders there are; nothing of the server's own paths is told."""
    seen = []
    for name in ("is_file", "exists", "open", "stat"):
        real = getattr(Path, name)
        monkeypatch.setattr(
            Path,
            name,
            lambda self, *a, _real=real, **k: seen.append(str(self)) or _real(self, *a, **k),
        )
    with pytest.raises(NotFoundError) as told:
        find_card(model, models)
    assert seen
    assert not [path for path in seen if model in path or "etc/passwd" in path or path == "/etc"]
    assert str(models) not in str(told.value)
    assert len(str(told.value)) < 300

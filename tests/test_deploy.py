# SPDX-License-Identifier: Apache-2.0
"""The deployment files: what they say is understood by those who read them, the server
among them.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

from texgen.cli import main
from texgen_server.config import load_config

DEPLOY = Path(__file__).parents[1] / "deploy"
MANIFESTS = sorted(DEPLOY.glob("*.yaml"))


def documents(path):
    return [d for d in yaml.safe_load_all(path.read_text()) if d]


def tool(name):
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    assert found, f"{name} is not installed: pip install -e '.[test]'"
    return found


def test_the_settings_are_the_servers_and_safe_outside_of_loopback():
    config = load_config(DEPLOY / "texgen.toml", environment={})
    assert config.asks_for_tokens
    assert config.tls_cert
    assert config.log_format == "json"


def test_the_commands_are_the_programs(capsys):
    (start,) = re.findall(
        r"^ExecStart=(.*)$", (DEPLOY / "texgen.service").read_text(), re.MULTILINE
    )
    docker = (DEPLOY / "Dockerfile").read_text().splitlines()[-1]
    given = shlex.split(start)[1:]
    assert given == re.findall(r'"([^"]+)"', docker)[1:]
    settings = [str(DEPLOY / "texgen.toml") if word.startswith("/etc") else word for word in given]
    assert main([*settings, "--print-config"]) == 0
    assert 'host = "0.0.0.0"' in capsys.readouterr().out
    deployment = next(d for d in documents(DEPLOY / "kubernetes.yaml") if d["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        with pytest.raises(SystemExit) as ended:
            main([*container[probe]["exec"]["command"][1:], "--help"])
        assert ended.value.code == 0


def test_what_is_mounted_is_what_the_settings_name():
    config = load_config(DEPLOY / "texgen.toml", environment={})
    deployment = next(d for d in documents(DEPLOY / "kubernetes.yaml") if d["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    mounts = {m["mountPath"] for m in pod["containers"][0]["volumeMounts"]}
    for path in (config.tokens_file, config.tls_cert, config.tls_key, config.cache_folder):
        assert {str(path), *map(str, path.parents)} & mounts - {"/"}, path
    assert pod["terminationGracePeriodSeconds"] > config.grace_s
    assert {p["containerPort"] for p in pod["containers"][0]["ports"]} == {
        config.port,
        config.metrics_port,
    }


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda p: p.name)
def test_manifests_fit_their_schemas(path):
    import kubernetes_validate

    for document in documents(path):
        if document["apiVersion"].startswith("ray.io/"):
            assert document["kind"] == "RayCluster"
            document = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "x"},
                "spec": document["spec"]["headGroupSpec"]["template"]["spec"],
            }
        kubernetes_validate.validate(document, "1.31", strict=True)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda p: p.name)
def test_manifests_are_tidy_yaml(path):
    rules = (
        "{extends: default, rules: {line-length: {max: 160}, braces: {max-spaces-inside: 0}, "
        "comments: {min-spaces-from-content: 1}}}"
    )
    done = subprocess.run(
        [sys.executable, "-m", "yamllint", "-s", "-d", rules, path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_dockerfile_passes_its_linter():
    done = subprocess.run(
        [tool("hadolint"), DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_understands_the_unit(tmp_path):
    unit = tmp_path / "texgen.service"
    unit.write_text(
        (DEPLOY / "texgen.service").read_text().replace("/opt/texgen/bin/texgen", sys.executable)
    )
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "texgen.service" not in done.stderr, done.stderr
    exposure = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=30", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert exposure.returncode == 0, exposure.stdout[-600:]

"""What can be checked of the containers without running any."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.core import TyperGroup
from typer.main import get_command

from breakwall.cli.app import app
from breakwall.settings import PREFIX, Settings, load_settings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "breakwall"}
LASTING = {name: service for name, service in SERVICES.items() if service["restart"] != "no"}
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
DOCKERIGNORE = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()


def settings_of(service: dict[str, Any]) -> Settings:
    """As its container reads them, with none of the variables set that the file lets a user set."""
    environ = {name: _with_defaults(str(value)) for name, value in service["environment"].items()}
    return load_settings({name: value for name, value in environ.items() if name.startswith(PREFIX)})


def _with_defaults(value: str) -> str:
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def last(instruction: str) -> str:
    return [line.partition(" ")[2] for line in DOCKERFILE if line.startswith(f"{instruction} ")][-1]


def copied() -> set[str]:
    """What the Dockerfile copies from the repository."""
    lines = [line.split()[1:-1] for line in DOCKERFILE if line.startswith("COPY ") and "--from=" not in line]
    return {source for sources in lines for source in sources}


def test_every_published_port_is_bound_to_loopback() -> None:
    ports = [str(port) for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


@pytest.mark.parametrize("name", OURS)
def test_every_setting_of_a_service_is_known_and_usable(name: str) -> None:
    assert settings_of(OURS[name]).model_fields_set


@pytest.mark.parametrize("name", OURS)
def test_nothing_of_a_service_is_kept_in_the_data_folder(name: str) -> None:
    """It would be gone with the container."""
    settings = settings_of(OURS[name])
    assert not settings.embedded_database
    assert not settings.embedded_broker


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_one_that_breakwall_has(name: str) -> None:
    """And takes the options that it is given."""
    context = get_command(app).make_context("breakwall", shlex.split(OURS[name]["command"]))
    while isinstance(context.command, TyperGroup):
        given = [*context._protected_args, *context.args]
        word, command, rest = context.command.resolve_command(context, given)
        context = command.make_context(word, rest, parent=context)


def test_the_image_is_built_once_and_before_anything_runs_on_it() -> None:
    """Built for each service, it would be several images under one name, and all but one of them litter."""
    (builder,) = [name for name, service in SERVICES.items() if "build" in service]
    assert all(builder in service["depends_on"] for name, service in OURS.items() if name != builder)


@pytest.mark.parametrize("name", OURS)
def test_no_registry_is_asked_for_the_image(name: str) -> None:
    assert OURS[name]["pull_policy"] == "never"


@pytest.mark.parametrize("name", LASTING)
def test_every_lasting_service_is_looked_at_and_started_again(name: str) -> None:
    assert LASTING[name]["restart"] == "unless-stopped"
    assert LASTING[name]["healthcheck"]["test"][0] == "CMD"


def test_whatever_depends_on_a_service_waits_until_that_is_of_use() -> None:
    waits = [wait for service in SERVICES.values() for wait in service.get("depends_on", {}).items()]
    assert waits
    for name, wait in waits:
        good = "service_healthy" if name in LASTING else "service_completed_successfully"
        assert wait["condition"] == good


def test_the_worker_looks_for_the_port_that_its_broker_listens_on() -> None:
    """/proc has ports in hexadecimal; 6379 is Redis's when the URL has none."""
    worker = SERVICES["worker"]
    address = re.search(r"redis://redis(?::(\d+))?/", settings_of(worker).broker)
    assert address is not None
    assert f":{int(address[1] or 6379):04X} 01 " in worker["healthcheck"]["test"]


def test_a_stopping_worker_has_time_for_the_payments_under_way() -> None:
    worker = SERVICES["worker"]
    grace = re.fullmatch(r"(\d+)s", worker["stop_grace_period"])
    assert grace is not None
    assert int(grace[1]) >= 2 * settings_of(worker).payment_timeout


@pytest.mark.parametrize("name", OURS)
def test_what_a_service_writes_goes_to_a_volume(name: str) -> None:
    """A new volume takes over the owner of the image's folder, which has to be there for that."""
    assert OURS[name]["read_only"] is True
    for volume in OURS[name].get("volumes", []):
        source, target, *_ = volume.split(":")
        assert source in COMPOSE["volumes"]
        assert any("--owner breakwall" in line and target in line.split() for line in DOCKERFILE)


def test_every_image_of_others_names_its_major_version() -> None:
    images = [service["image"] for service in SERVICES.values() if service not in OURS.values()]
    images += [line.split()[1] for line in DOCKERFILE if line.startswith("FROM ")]
    assert [image for image in images if not re.fullmatch(r"[a-z/]+:v?\d[\w.-]*", image)] == []


def test_grafana_is_named_by_a_whole_version() -> None:
    """It publishes no image under its major version alone, and compose would find none."""
    assert re.fullmatch(r"grafana/grafana:\d+\.\d+\.\d+", SERVICES["grafana"]["image"])


def test_the_dockerfile_copies_every_package_of_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert packages <= copied()


def test_the_image_is_built_from_what_is_copied_and_nothing_else() -> None:
    """So no .env, no data folder and no history can get into a layer."""
    assert DOCKERIGNORE[0] == "*"
    assert {line.removeprefix("!") for line in DOCKERIGNORE if line.startswith("!")} == copied()


def test_the_image_does_not_run_as_root() -> None:
    user = last("USER").partition(":")[0]
    assert user.isdecimal()
    assert user != "0"


def test_signals_reach_the_command_and_no_shell() -> None:
    assert json.loads(last("ENTRYPOINT")) == ["breakwall"]
    assert not any(service.get("init") is not True for service in OURS.values())


def test_the_other_broker_is_started_before_what_uses_it() -> None:
    for name in ("worker", "api"):
        wait = SERVICES[name]["depends_on"]["rabbitmq"]
        assert wait == {"condition": "service_healthy", "required": False}


def test_prometheus_asks_the_api_with_its_own_token() -> None:
    """Of the service that makes it, in the volume that both have."""
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    (job,) = config["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    host, port = target.split(":")
    assert host in settings_of(SERVICES["api"]).api.hosts.split(",")
    assert f"--port {port}" in SERVICES["api"]["command"]
    file = Path(job["authorization"]["credentials_file"])
    assert SERVICES["prometheus-token"]["command"].endswith(f"--into tokens/{file.name}")
    assert f"tokens:{file.parent}:ro" in SERVICES["prometheus"]["volumes"]
    assert SERVICES["prometheus"]["user"] == last("USER")


def test_grafana_finds_the_dashboard_that_it_is_told_of() -> None:
    provider = ROOT / "deploy/grafana/provisioning/dashboards/breakwall.yml"
    (told,) = yaml.safe_load(provider.read_text(encoding="utf-8"))["providers"]
    mounted = [volume.split(":") for volume in SERVICES["grafana"]["volumes"]]
    assert told["options"]["path"] in {str(Path(target).parent) for _, target, _ in mounted}
    assert all((ROOT / source).exists() for source, _, _ in mounted)

"""What the documentation names exists: commands, programs, options, files. Its examples run."""

from __future__ import annotations

import configparser
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from keystonemiddleware import auth_token

from netsched.agents.base.driver import Driver
from netsched.conf import keystone, opts
from netsched.model.scheduling import AgentView
from netsched.scheduler.ask import Ask
from netsched.wire import extension
from tests.scheduler import worlds

ROOT = Path(__file__).parent.parent
PAGES = [*sorted((ROOT / "docs").glob("*.rst")), ROOT / "README.rst", ROOT / "CONTRIBUTING.rst"]
LISTED = [*opts.list_opts(), *keystone.list_opts(), *auth_token.list_opts()]
OPTIONS = {(group, option.dest) for group, options in LISTED for option in options}
ASK = Ask(worlds.DHCP, demand=(("network", 1),))


def entry_points(group: str) -> list[str]:
    setup = configparser.ConfigParser(strict=False, interpolation=None)
    setup.read(ROOT / "setup.cfg")
    return [line.split(" = ")[0] for line in setup["options.entry_points"][group].strip().splitlines()]


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs/examples" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def full(used: int, limit: int = 10) -> AgentView:
    return worlds.agent("a", capacity={"network": limit}, used={"network": used})


@pytest.mark.parametrize("group", ["console_scripts", "netsched.cli"])
def test_the_reference_names_every_program_and_command(group: str) -> None:
    text = (ROOT / "docs/reference.rst").read_text()
    assert [name for name in entry_points(group) if f"``{name.replace('_', ' ')}``" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(r"``([\w/]+\.(?:py|sh|cfg|sample|txt))``", page.read_text())
    # What is to be made is called pack or firewall.
    real = [name for name in named if not re.search("pack|firewall", name) and "/" in name]
    assert [name for name in real if not any((ROOT / top / name).exists() for top in ("", "netsched"))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_that_a_page_names_exist(page: Path) -> None:
    named = set(re.findall(r"``\[(\w+)\]\s+(\w+)", page.read_text()))
    assert named - OPTIONS == set()


def test_configuration_files_of_the_installation_name_only_options_that_exist() -> None:
    text = (ROOT / "docs/install.rst").read_text()
    for block in re.findall(r"code-block:: ini\n\n((?:    .*\n|\n)+)", text):
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(re.sub("^    ", "", f"    [DEFAULT]\n{block}", flags=re.M))
        named = {
            (group, name) for group in parser.sections() for name in parser[group] if name not in parser.defaults()
        }
        assert named - OPTIONS == set()


def test_the_weigher_prefers_the_fuller() -> None:
    weigh = example("pack").weigh
    assert 0 == weigh(full(0), ASK) < weigh(full(3), ASK) < weigh(full(10), ASK) == 1


def test_the_filter_keeps_room_for_moves() -> None:
    reject = example("reserve").reject
    assert reject(full(8), ASK) is None
    assert reject(full(9), ASK).reason == "keeps a tenth of its 10 network for moves"
    assert reject(full(9), Ask(worlds.DHCP, demand=ASK.demand, moving_from="b")) is None


def test_the_agent_has_a_driver(capsys: pytest.CaptureFixture[str]) -> None:
    driver: Driver = example("print_agent").PrintDriver()
    wanted = {"port": {"p": {"mac_address": "fa:16:3e:00:00:01"}}}
    driver.apply("network/n", wanted)
    assert driver.check("network/n", wanted) and driver.actual() == {"network/n"}
    driver.apply("network/n", None)
    assert driver.check("network/n", None) and driver.actual() == set()
    assert capsys.readouterr().out.splitlines() == [
        "network/n has the ports fa:16:3e:00:00:01",
        "network/n is not ours any more",
    ]


def test_the_api_reference_has_every_resource_path_extension_and_error() -> None:
    spec = importlib.util.spec_from_file_location("api_reference", ROOT / "docs/api_reference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = module.text()
    for definition in module.definitions():
        section = page.split(f"{definition.plural.replace('_', ' ').capitalize()}\n---")[1].split("\n\n\n")[0]
        assert [name for name in definition.attributes if f"``{name}``" not in section] == []
    named = {route.path for route in module.routes()} | set(extension.EXTENSIONS) | {"IpAddressAlreadyAllocated"}
    assert [name for name in sorted(named) if f"``{name}``" not in page] == []
    assert (
        "api_reference" in (ROOT / "docs/conf.py").read_text() and module.PLACE in (ROOT / "docs/api.rst").read_text()
    )

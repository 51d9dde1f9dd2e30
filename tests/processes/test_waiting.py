"""?wait=applied between real processes: when the answer comes, the agents have it in force, and their logs say so."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.processes.deployment import Deployment
from tests.servers import PostgreSQL, RabbitMQ

pytestmark = pytest.mark.timeout(240)
THREADS = 4  # of which half may wait


def write(deployment: Deployment, method: str, path: str, body: Any, request_id: str) -> tuple[int, Any, Any]:
    """(status, body, headers)"""
    request = urllib.request.Request(f"{deployment.url}/v2.0/{path}", json.dumps(body).encode(), method=method)
    request.add_header("Content-Type", "application/json")
    request.add_header("X-Openstack-Request-Id", request_id)
    try:
        with urllib.request.urlopen(request, timeout=90) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused), refused.headers


def request_id(number: int) -> str:
    return f"req-00000000-0000-0000-0000-{number:012d}"


def test_applied_means_in_force_on_every_agent(tmp_path: Path, postgresql: PostgreSQL, rabbitmq: RabbitMQ) -> None:
    deployment = Deployment(tmp_path, postgresql.url(), rabbitmq.transport_url(), threads=THREADS)
    try:
        deployment.start_server()
        deployment.start_hosts("node-0")
        the_story(deployment)
        there_is_room_for_others(deployment)
    finally:
        deployment.stop()


def the_story(deployment: Deployment) -> None:
    wait = "wait=applied&timeout=60"
    _, made, headers = write(deployment, "POST", f"networks?{wait}", {"network": {"name": "blue"}}, request_id(1))
    network = made["network"]["id"]
    assert headers["X-Netsched-Applied"] == "true"
    subnet = {"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"}}
    status, _, headers = write(deployment, "POST", f"subnets?{wait}", subnet, request_id(2))
    assert (status, headers["X-Netsched-Applied"]) == (201, "true"), headers
    assert deployment.holders(network) == ["node-0"]  # no waiting here: it is so by now
    ports = deployment.rest("GET", f"ports?network_id={network}")["ports"]
    assert [(port["device_owner"], len(port["fixed_ips"])) for port in ports] == [("network:dhcp", 1)]
    log = (deployment.directory / "node-0.log").read_text()
    assert f"network/{network} is in force" in log and request_id(2) in log
    port = {"port": {"network_id": network, "binding:host_id": "node-0"}}
    status, _, headers = write(deployment, "POST", f"ports?{wait}", port, request_id(3))
    assert (status, headers["X-Netsched-Applied"]) == (201, "true"), headers
    for process in ("node-0", "node-0-l2"):
        assert request_id(3) in (deployment.directory / f"{process}.log").read_text(), process
    assert deployment.rest("GET", f"networks/{network}/delivery?{wait}")["delivery"] == {"applied": True, "late": []}


def there_is_room_for_others(deployment: Deployment) -> None:
    """An agent has gone; who waits for it is told so in time, and keeps at most half of the threads busy."""
    deployment.kill("node-0")
    (network,) = deployment.rest("GET", "networks")["networks"]

    def rename(number: int) -> tuple[int, Any, Any]:
        body = {"network": {"name": f"blue-{number}"}}
        return write(deployment, "PUT", f"networks/{network['id']}?wait=applied&timeout=8", body, request_id(number))

    with ThreadPoolExecutor(THREADS) as pool:
        asked = [pool.submit(rename, number) for number in range(10, 10 + THREADS)]
        deployment.wait("the API answers besides", lambda: deployment.rest("GET", "networks"), timeout=3.0)
        answers = [one.result() for one in asked]
    statuses = sorted(status for status, _, _ in answers)
    assert statuses == [200, 200, 503, 503]
    for status, body, headers in answers:
        if status == 200:
            assert headers["X-Netsched-Applied"] == "false" and "node-0 (DHCP agent): " in headers["X-Netsched-Late"]
        else:
            assert body["NeutronError"]["code"] == "request.too_many_waiters" and int(headers["Retry-After"]) > 0

"""A real Keystone for the tests, on a free loopback port, with users of each role; the fixture `keystone` starts one.

    region = keystone.offer("http://127.0.0.1:9696")        # the URL of a netsched-server goes into the catalog
    env = keystone.environment(keystone.reader, region)     # for `openstack` and openstacksdk: OS_AUTH_URL, ...
    headers = {"X-Auth-Token": keystone.token(keystone.member)}
    options = keystone.service()                            # the server's [keystone_authtoken]

It takes 4 s to start. `stop` and `start` play an outage: users, and tokens that were given, stay valid.
"""

from __future__ import annotations

import os
import socket
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keystoneauth1 import session
from keystoneauth1.identity import v3

from tests.servers import Server

ROOT = Path(__file__).parent.parent
PASSWORD = "not-a-secret"
DOMAIN = "default"


@dataclass(frozen=True)
class User:
    """Who logs in, and in which project; names are unique in the one domain."""

    id: str
    name: str
    project_id: str
    project_name: str


class Keystone(Server):
    """`admin` is one everywhere; `member` and `reader` are in the project "alice", `other` is a member in "bob"."""

    admin: User
    member: User
    reader: User
    other: User

    def __init__(self) -> None:
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}/v3"
        self._ids: dict[str, str] = {}  # of roles, by name

    def start(self) -> None:
        anew = self._process is None and not self._ids
        arguments = (str(self.directory), str(self.port), PASSWORD)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
        self._process = self._launch(sys.executable, "-m", "tests.keystone_process", *arguments, env=environment)
        self._wait(self._answers)
        if anew:
            self._populate()

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except OSError:
            return False
        return True

    def _populate(self) -> None:
        admin = User("", "admin", "", "admin")
        self._session = session.Session(auth=self._login(admin))
        access = self._session.auth.get_access(self._session)
        self.admin = User(access.user_id, "admin", access.project_id, "admin")
        self._ids = {role["name"]: role["id"] for role in self._ask("GET", "roles")["roles"]}
        alice, bob, services = (self.add_project(name) for name in ("alice", "bob", "service"))
        self.member = self.add_user("alice-member", alice, "member")
        self.reader = self.add_user("alice-reader", alice, "reader")
        self.other = self.add_user("bob-member", bob, "member")
        self._netsched = self.add_user("netsched", services, "service")
        self._services = {
            self._ask("POST", "services", {"service": {"name": name, "type": kind}})["service"]["id"]: kind
            for name, kind in (("netsched", "network"), ("keystone", "identity"))
        }

    def add_project(self, name: str) -> tuple[str, str]:
        """A new project: its id and name."""
        wanted = {"name": name, "domain_id": DOMAIN}
        return self._ask("POST", "projects", {"project": wanted})["project"]["id"], name

    def add_user(self, name: str, project: tuple[str, str], *roles: str) -> User:
        """A new user with roles in one project."""
        wanted = {"name": name, "password": PASSWORD, "domain_id": DOMAIN}
        made = User(self._ask("POST", "users", {"user": wanted})["user"]["id"], name, *project)
        for role in roles:
            self._ask("PUT", f"projects/{made.project_id}/users/{made.id}/roles/{self._ids[role]}")
        return made

    def offer(self, url: str) -> str:
        """Put a server into the catalog, in a region of its own, so that many share one Keystone. The region's name.

        Keystone itself is there as well: clients that are given a project's name ask it for the id.
        """
        region = f"region-{uuid.uuid4().hex[:8]}"
        self._ask("POST", "regions", {"region": {"id": region}})
        for service, kind in self._services.items():
            offered = {"service_id": service, "url": url if kind == "network" else self.url, "region_id": region}
            for interface in ("public", "internal", "admin"):
                self._ask("POST", "endpoints", {"endpoint": {**offered, "interface": interface}})
        return region

    def token(self, user: User) -> str:
        """A fresh token, scoped to the user's project."""
        return str(self._login(user).get_token(session.Session()))

    def revoke(self, token: str) -> None:
        self._session.delete(f"{self.url}/auth/tokens", headers={"X-Subject-Token": token})

    def environment(self, user: User, region: str) -> dict[str, str]:
        """What `openstack` and openstacksdk read to act as that user on the server of that region."""
        return {
            "OS_AUTH_TYPE": "password",
            "OS_AUTH_URL": self.url,
            "OS_USERNAME": user.name,
            "OS_PASSWORD": PASSWORD,
            "OS_PROJECT_NAME": user.project_name,
            "OS_USER_DOMAIN_ID": DOMAIN,
            "OS_PROJECT_DOMAIN_ID": DOMAIN,
            "OS_REGION_NAME": region,
            "OS_IDENTITY_API_VERSION": "3",
        }

    def service(self) -> dict[str, str]:
        """The options of [keystone_authtoken] for a server."""
        return {
            "auth_type": "password",
            "auth_url": self.url,
            "username": self._netsched.name,
            "password": PASSWORD,
            "project_name": self._netsched.project_name,
            "user_domain_id": DOMAIN,
            "project_domain_id": DOMAIN,
        }

    def _login(self, user: User) -> Any:
        names = {"username": user.name, "project_name": user.project_name}
        domains = {"user_domain_id": DOMAIN, "project_domain_id": DOMAIN}
        return v3.Password(self.url, password=PASSWORD, **names, **domains)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        """As the administrator. Raises keystoneauth's errors."""
        answer = self._session.request(f"{self.url}/{path}", method, json=body)
        return answer.json() if answer.content else None

"""From options, OS_* variables and clouds.yaml to a Client.

Without any of them it is a server on this machine that asks for no credentials, as `netsched standalone` starts it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from netsched.cli.client import EXIT_UNREACHABLE, Client, CommandFailed

DEFAULT_ENDPOINT = "http://127.0.0.1:9696"
TIMEOUT = 60  # seconds for one request

# Option, variable, help. Everything else that openstack.config understands (certificates, domains, application
# credentials) it takes from its variables and from clouds.yaml.
_OPTIONS = (
    ("--os-cloud", "OS_CLOUD", "Cloud in clouds.yaml."),
    ("--os-endpoint", "OS_ENDPOINT", f"URL of the Networking API, without authentication [{DEFAULT_ENDPOINT}]."),
    ("--os-auth-type", "OS_AUTH_TYPE", "Authentication plugin; `none` for a server without authentication."),
    ("--os-auth-url", "OS_AUTH_URL", "URL of the Identity service."),
    ("--os-username", "OS_USERNAME", "User name; without authentication, the user's id as the server will record it."),
    ("--os-password", "OS_PASSWORD", "Password."),
    ("--os-project-name", "OS_PROJECT_NAME", "Project."),
    ("--os-project-id", "OS_PROJECT_ID", "Project id; without authentication, the project to act in."),
    ("--os-roles", "OS_ROLES", "Without authentication: the roles to act with, separated by commas."),
    ("--os-region-name", "OS_REGION_NAME", "Region."),
)


def add_options(parser: argparse.ArgumentParser, environ: Mapping[str, str]) -> None:
    group = parser.add_argument_group("connection")
    for option, variable, text in _OPTIONS:
        group.add_argument(option, default=environ.get(variable), metavar="VALUE", help=f"{text} ({variable})")


def connect(options: argparse.Namespace) -> Client:
    """Raises CommandFailed when the configuration names no usable cloud."""
    from keystoneauth1 import adapter

    headers = {}
    if _without_authentication(options):
        headers = _identity(options)
        session, endpoint = _bare_session(), options.os_endpoint or DEFAULT_ENDPOINT
        region = None
    else:
        session, endpoint, region = _configured_session(options)
    return Client(
        adapter.Adapter(
            session,
            service_type="network",
            endpoint_override=endpoint,
            region_name=region,
            additional_headers=headers,
            connect_retries=0,
        )
    )


def _without_authentication(options: argparse.Namespace) -> bool:
    if options.os_auth_type:
        return options.os_auth_type in ("none", "noauth")
    return not (options.os_cloud or options.os_auth_url)


def _identity(options: argparse.Namespace) -> dict[str, str]:
    """What a server without authentication believes; absent means its own default, an administrator."""
    given = {
        "X-User-Id": options.os_username,
        "X-Project-Id": options.os_project_id,
        "X-Roles": options.os_roles,
    }
    return {name: value for name, value in given.items() if value}


def _bare_session() -> Any:
    from keystoneauth1 import noauth, session

    return session.Session(auth=noauth.NoAuth(), timeout=TIMEOUT, app_name="netsched")


def _configured_session(options: argparse.Namespace) -> tuple[Any, str | None, str | None]:
    import openstack.config  # 0.2 s, which a server without authentication need not cost
    import openstack.exceptions
    from keystoneauth1 import exceptions

    names = ("auth_type", "auth_url", "username", "password", "project_name", "project_id", "region_name")
    given = {name: getattr(options, f"os_{name}") for name in names if getattr(options, f"os_{name}")}
    try:
        region = openstack.config.OpenStackConfig(app_name="netsched").get_one(cloud=options.os_cloud, **given)
        session = region.get_session()
    except (openstack.exceptions.SDKException, exceptions.ClientException) as error:
        raise CommandFailed(f"{error}\nSee OS_* variables, --os-cloud and clouds.yaml.", EXIT_UNREACHABLE) from error
    endpoint = options.os_endpoint or region.get_endpoint("network")
    return session, endpoint, region.get_region_name("network")

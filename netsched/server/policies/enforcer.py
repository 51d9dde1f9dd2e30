"""Asking the rules: one `Policy` per server, one `Rights` per request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oslo_policy import policy

from netsched import errors
from netsched.model.principal import Principal
from netsched.server import policies

TARGET = ("project_id", "tenant_id", "shared", "router:external", "network:project_id", "target_tenant")


class Policy:
    def __init__(self, conf: Any, policy_file: str | None = None) -> None:
        """`conf`: the ConfigOpts that oslo.policy reads its own options from. `policy_file` overrides defaults (YAML).

        The file is read here and by `reload`, not before each decision: looking for changes costs more than deciding.
        Raises Invalid when there is no such file, which oslo.policy would take for one without overrides.
        """
        if policy_file and conf.find_file(policy_file) is None:
            raise errors.Invalid(reason=f"[api] policy_file = {policy_file}: there is no such file")
        self._enforcer = policy.Enforcer(conf, policy_file=policy_file)
        self._enforcer.suppress_default_change_warnings = True
        self._enforcer.register_defaults(policies.list_rules())
        self.reload()

    @property
    def enforcer(self) -> policy.Enforcer:
        """For oslo.policy's own programs."""
        return self._enforcer

    def reload(self) -> None:
        self._enforcer.load_rules(force_reload=True)
        self._enforcer.use_conf = False

    def has(self, rule: str) -> bool:
        return rule in self._enforcer.registered_rules

    def rules(self, prefix: str) -> list[str]:
        return [name for name in self._enforcer.registered_rules if name.startswith(prefix)]

    def is_admin(self, roles: tuple[str, ...]) -> bool:
        return bool(self._enforcer.enforce("context_is_admin", {}, {"roles": list(roles)}))

    def decide(self, principal: Principal, rule: str, target: Mapping[str, Any]) -> bool:
        credentials = {
            "user_id": principal.user_id,
            "project_id": principal.project_id,
            "tenant_id": principal.project_id,  # as older policy files call it
            "roles": list(principal.roles),
            "is_admin": principal.is_admin,
        }
        return bool(self._enforcer.enforce(rule, dict(target), credentials))


class Rights:
    """What one principal may do. Remembers decisions: a list of 1,000 ports of one project needs one per rule."""

    def __init__(self, policy_: Policy, principal: Principal) -> None:
        self._policy = policy_
        self._principal = principal
        self._decided: dict[tuple[Any, ...], bool] = {}

    def allows(self, rule: str, target: Mapping[str, Any]) -> bool:
        """`target` is an object of the API, or what is to become one. The rule must exist."""
        key = (rule, *(target.get(name) for name in TARGET))
        if key not in self._decided:
            known = {name: target[name] for name in TARGET if name in target}
            self._decided[key] = self._policy.decide(self._principal, rule, known)
        return self._decided[key]

    def check(self, rule: str, target: Mapping[str, Any]) -> None:
        """Raises PolicyNotAuthorized that names the rule."""
        if not self.allows(rule, target):
            raise errors.PolicyNotAuthorized(reason=f"rule:{rule} is disallowed by policy")

    def check_attribute(self, rule: str, target: Mapping[str, Any]) -> None:
        """As `check`; an attribute without a rule of its own is allowed."""
        if self._policy.has(rule):
            self.check(rule, target)

    def hidden(self, resource: str, target: Mapping[str, Any]) -> frozenset[str]:
        """Attributes of the object that this principal may not see."""
        prefix = f"get_{resource}:"
        rules = self._policy.rules(prefix)
        return frozenset(rule.removeprefix(prefix) for rule in rules if not self.allows(rule, target))

"""Use cases of RBAC policies: grants of an action on an object to another project, or to all."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

from netsched import errors
from netsched.db import network, rbac, rbac_use
from netsched.db.session import Database
from netsched.db.transaction import Transaction
from netsched.model.principal import Principal
from netsched.model.query import Query
from netsched.server.services.quota import Quotas

Object = dict[str, Any]
Objects = list[Object]


class RbacPolicyService:
    def __init__(self, database: Database, quotas: Quotas | None = None) -> None:
        self._database = database
        self._quotas = quotas or Quotas()

    def create(self, principal: Principal, bodies: Objects) -> Objects:
        """Raises InvalidActionForType, DuplicateRbacPolicy, OverQuota; InvalidInput for others' objects and none,
        RbacPolicyInitError.
        """
        owned = [{"project_id": principal.project_id, **body} for body in bodies]
        for body in owned:
            _check_action(body)

        def work(tx: Transaction) -> Objects:
            self._quotas.claim(tx, "rbac_policy", [body["project_id"] for body in owned])
            by_type = defaultdict(set)
            for body in owned:
                by_type[body["object_type"]].add(body["object_id"])
            for object_type, ids in sorted(by_type.items()):
                found = rbac_use.owners(tx, object_type, ids, principal.sees)
                for object_id in sorted(ids):
                    _check_owned(principal, object_type, object_id, found.get(object_id))
            grants = [(body["object_id"], body["action"], body["target_tenant"]) for body in owned]
            if len(set(grants)) < len(grants) or rbac.any_of(tx, grants):
                raise errors.DuplicateRbacPolicy()
            rbac_use.check_scopes(tx, owned)
            made = rbac.insert_many(tx, owned)
            rbac_use.settle(tx, made)
            return made

        return self._database.write(work)

    def get(self, principal: Principal, id: str) -> Object:
        with self._database.read() as connection:
            return rbac.get(connection, id, principal.sees)

    def update(self, principal: Principal, id: str, changes: Object, if_match: int | None) -> Object:
        """Give it to another project. A policy has no revision, so `if_match` guards nothing here.

        Raises RbacPolicyNotFound, RbacPolicyInUse, DuplicateRbacPolicy, InvalidInput for objects of others.
        """

        def work(tx: Transaction) -> Object:
            before, owner = self._claimed(tx, principal, id)
            _check_owned(principal, before["object_type"], before["object_id"], owner)
            after = {**before, **changes}
            if after == before:
                return before
            if rbac.any_of(tx, [(after["object_id"], after["action"], after["target_tenant"])]):
                raise errors.DuplicateRbacPolicy()
            rbac.retarget(tx, id, after["target_tenant"])
            self._check_unneeded(tx, before, owner)
            rbac_use.settle(tx, [before, after])
            return after

        return self._database.write(work)

    def delete(self, principal: Principal, id: str, if_match: int | None) -> None:
        """Raises RbacPolicyNotFound, RbacPolicyInUse."""

        def work(tx: Transaction) -> None:
            before, owner = self._claimed(tx, principal, id)
            rbac.remove(tx, id)
            self._check_unneeded(tx, before, owner)
            rbac_use.settle(tx, [before])

        self._database.write(work)

    def list(self, principal: Principal, query: Query) -> Objects:
        with self._database.read() as connection:
            return rbac.list_(connection, replace(query, visible_to=principal.sees))

    @staticmethod
    def _claimed(tx: Transaction, principal: Principal, id: str) -> tuple[Object, str]:
        """The policy, and the owner of its object, which is locked: who uses it has done so, or must wait."""
        before = rbac.get(tx.connection, id, principal.sees)
        owners = rbac_use.owners(tx, before["object_type"], [before["object_id"]], None)
        return rbac.get(tx.connection, id, principal.sees), owners.get(before["object_id"], "")

    @staticmethod
    def _check_unneeded(tx: Transaction, before: Object, owner: str) -> None:
        lost = before["target_tenant"]
        external_for_all = (before["action"], lost) == (rbac.EXTERNAL, rbac.EVERYBODY)
        if external_for_all and network.default_external(tx) == before["object_id"]:
            details = "it is the default external network"
            raise errors.RbacPolicyInUse(object_id=before["object_id"], details=details)
        if rbac_use.in_need(tx, before, owner, lost):
            details = f"project {lost} uses it" if lost != rbac.EVERYBODY else "projects that own nothing of it use it"
            raise errors.RbacPolicyInUse(object_id=before["object_id"], details=details)


def _check_action(body: Object) -> None:
    valid = sorted(rbac_use.OBJECTS[body["object_type"]].users)
    if body["action"] not in valid:
        raise errors.InvalidActionForType(
            action=body["action"], object_type=body["object_type"], valid_actions=", ".join(valid)
        )


def _check_owned(principal: Principal, object_type: str, object_id: str, owner: str | None) -> None:
    if owner is None:
        raise errors.InvalidInput(reason=f"{object_type} {object_id} could not be found")
    if not principal.is_admin and owner != principal.project_id:
        raise errors.InvalidInput(reason="Only admins can manipulate policies on objects they do not own")

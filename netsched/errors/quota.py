"""Errors of quotas and tags."""

from __future__ import annotations

from netsched.errors.kinds import Conflict, NotFound


class OverQuota(Conflict):
    """Quota exceeded for resources: {overs}."""

    code = "quota.exceeded"


class QuotaNotFound(NotFound):
    """Quota for project {project_id} could not be found."""

    code = "quota.not_found"

    @property
    def type(self) -> str:
        return "ProjectQuotaNotFound"  # as clients know it


class TagNotFound(NotFound):
    """Tag {tag} could not be found."""

    code = "tag.not_found"

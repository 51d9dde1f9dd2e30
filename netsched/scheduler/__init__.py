"""Where does it go? Pure: a Snapshot goes in, a Plan comes out, both are values (netsched/model/scheduling.py).

Review notes:
- A filter or weigher that queries, logs, or remembers something is a bug: it sees two values and answers.
- No SQL, RPC, config, clock or global random here. Time is `snapshot.now`, chance is `snapshot.seed`.
- Filters and weighers do not know each other, nor which object asks (see ask.py): that makes answers reusable.
- First placement and failover are one path; a new reason to move is a new kind of Request from reconcile.py.
- A Plan is a proposal: `db/apply.py` re-checks it, so nothing here may rely on being the only scheduler.
"""

"""HTTP in, one service call, HTTP out. The only importer of Pecan.

Review notes: a transaction, a query or a scheduling decision in here is a bug; every route stands in v2/root.py; every
error reaches the client through errors.py; handlers are given the request and never reach for a thread-local.
"""

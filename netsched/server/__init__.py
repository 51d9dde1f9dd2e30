"""The server: REST API, agents' messages and workers over one set of services, built by wiring.py.

Review notes: a service that imports the API is a bug; so is a handler that decides anything a service should.
"""

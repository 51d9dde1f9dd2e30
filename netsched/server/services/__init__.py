"""The use cases, one file per resource: what the API, the agents' messages and the workers ask for.

Each public method opens one transaction, or reads, and returns plain dicts in the REST API's format. Review notes: a
method that knows HTTP, Pecan or a message is a bug; so is a cast (write the change, the relay sends it), a second
transaction where one would do, SQL (that is db's), and another project's object answered otherwise than by NotFound.
"""

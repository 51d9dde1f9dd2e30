"""The only importer of SQLAlchemy: tables, and per resource the functions insert, get, list, update, remove.

Review notes: a query in a loop is a bug; so is a guard that reads first and writes later without a unique key or a
conditional UPDATE whose row count is checked; lists are Core rows, there are no ORM objects; functions take a
Transaction or a Connection and never open one.
"""

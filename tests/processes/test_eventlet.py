"""Database drivers under eventlet: a green thread that waits for a lock must let the one that holds it go on."""

from __future__ import annotations

import subprocess
import sys

import pytest

from netsched.db.session import Database
from tests.servers import MariaDB, PostgreSQL

# In a process of its own, since eventlet changes the whole process.
PROGRAM = """
import sys, threading, time
from netsched.server import concurrency
concurrency.prepare("eventlet")
import sqlalchemy as sa
from netsched.db.session import Database

database = Database(sys.argv[1])

def write(tx):
    tx.execute(sa.text("UPDATE one SET value = value + 1"))
    time.sleep(0.3)  # the others run now, and wait for this row

threads = [threading.Thread(target=database.write, args=(write,)) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with database.read() as connection:
    print(connection.execute(sa.text("SELECT value FROM one")).scalar_one())
"""


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_waiting_for_a_lock_stops_nobody_else(kind: str, request: pytest.FixtureRequest) -> None:
    server: PostgreSQL | MariaDB = request.getfixturevalue(kind)
    url = server.url()
    database = Database(url)
    with database.engines[0].begin() as connection:
        connection.exec_driver_sql("CREATE TABLE one (value INTEGER)")
        connection.exec_driver_sql("INSERT INTO one VALUES (0)")
    database.dispose()
    done = subprocess.run([sys.executable, "-c", PROGRAM, url], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "3", done.stderr

#!/bin/sh
# What netsched costs: sets everything up, then measures with real PostgreSQL and RabbitMQ. --help shows the options.
set -eu
cd "$(dirname "$0")/.."

tools/setup.sh test
exec .venv/bin/python -m benchmarks "$@"

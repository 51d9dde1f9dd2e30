#!/bin/sh
# Write etc/netsched.conf.sample and etc/policy.yaml.sample from the code, or into the directory given.
set -eu
out=$(realpath "${1:-$(dirname "$0")/../etc}")
cd "$(dirname "$0")/.."
.venv/bin/oslo-config-generator --config-file etc/oslo-config-generator.conf --output-file "$out/netsched.conf.sample"
.venv/bin/oslopolicy-sample-generator --namespace netsched --output-file "$out/policy.yaml.sample"

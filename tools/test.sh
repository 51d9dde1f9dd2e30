#!/bin/sh
# All checks and tests, set-up included. `tools/test.sh STEP...` runs some: lint, types, imports, docs, the bundles pure,
# server and system, chaos, or a folder of tests (unit, db, ...; "package" is the test files that lie in tests/ itself).
# `--full` comes first: the same tests with more examples (tests/size.py), the clusters, and coverage, which costs as
# much again. The output of each step goes to .cache/test/STEP.log; what fails also shows the end of it.
set -u
cd "$(dirname "$0")/.."

logs=.cache/test
mkdir -p "$logs"
full=
if [ "${1:-}" = --full ]; then
    full=1
    shift
    export NETSCHED_TESTS=full
fi
tools/setup.sh test || exit 1
[ -z "$full" ] || tools/setup.sh ansible || exit 1

as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "Some tests make network namespaces, which needs root: run it as root, or install sudo." >&2
        exit 1
    }
    as_root="sudo -E"  # root leaves no compiled files and no cache in your tree
    export PYTHONDONTWRITEBYTECODE=1 PYTEST_ADDOPTS="-p no:cacheprovider"
fi
coverage=
[ -z "$full" ] || coverage="--cov --cov-append --cov-report="
export PATH="$PWD/.venv/bin:$PATH" COVERAGE_FILE="$PWD/$logs/coverage"
started=$(date +%s)
passed=0 failed=0 skipped=0 broken=

# What runs together, so that processors are busy while some tests wait. `system` is whatever is not in the others, but
# for chaos, which injects faults at their time and runs alone.
PURE="unit scheduler wire"
SERVER="api budgets cli db services"
ALONE="chaos full"
paths_of() {
    case $1 in
        pure) for name in $PURE; do echo "tests/$name"; done ;;
        server) for name in $SERVER; do echo "tests/$name"; done ;;
        system)
            for folder in tests/*/; do
                case " $PURE $SERVER $ALONE " in
                    *" $(basename "$folder") "*) ;;
                    *) [ -z "$(find "$folder" -name 'test_*.py')" ] || echo "$folder" ;;
                esac
            done
            paths_of package
            ;;
        package) ls tests/test_*.py ;;
        *) echo "tests/$1" ;;
    esac
}
attribute() { sed -n "s/.*<testsuite [^>]*$2=\"\\([0-9]*\\)\".*/\\1/p" "$logs/$1.xml" 2>/dev/null | head -n 1; }
run_tests() {
    rm -f "$logs/$1.xml"
    case $1 in
        system) workers=4 ;;  # these wait for the kernel, clients, brokers that restart
        chaos | full) workers=0 ;;
        *) workers=2 ;;
    esac
    # shellcheck disable=SC2046,SC2086  # lists
    $as_root .venv/bin/python -m pytest -q -n $workers --dist worksteal --junitxml="$logs/$1.xml" \
        $coverage $(paths_of "$1")
}
lint() { ruff check && ruff format --check; }
step() {
    began=$(date +%s)
    printf '  %-10s ' "$1"
    case $1 in
        lint) lint ;;
        types) mypy ;;
        imports) lint-imports --no-cache ;;
        docs) sphinx-build -W -q -b html docs docs/_build/html ;;
        coverage) coverage report ;;
        *) run_tests "$1" ;;
    esac >"$logs/$1.log" 2>&1 </dev/null
    status=$?
    note=
    case $1 in
        lint | types | imports | docs) ;;
        coverage) note=$(awk '/^TOTAL/ {print $NF}' "$logs/coverage.log") ;;
        *)
            all=$(attribute "$1" tests) bad=$(($(attribute "$1" failures) + $(attribute "$1" errors) + 0))
            left=$(attribute "$1" skipped)
            # A run that broke off before it could count has failed all the same.
            [ $status = 0 ] || [ "$bad" -gt 0 ] || bad=1
            passed=$((passed + ${all:-0} - bad - ${left:-0})) failed=$((failed + bad)) skipped=$((skipped + ${left:-0}))
            note="${all:-0} tests"
            ;;
    esac
    took=$(($(date +%s) - began))
    if [ $status = 0 ]; then
        printf 'ok %5s s  %s\n' "$took" "$note"
        [ "$1" != full ] || grep -h -e '^  *[0-9.]* s  ' -e 'writes acknowledged' "$logs/full.log" | sed 's/^/    /'
    else
        printf 'FAILED %s s  %s; the end of %s:\n' "$took" "$note" "$logs/$1.log"
        tail -n 40 "$logs/$1.log" | sed 's/^/    /'
        broken="$broken $1"
    fi
}

if [ $# = 0 ]; then
    rm -f "$COVERAGE_FILE"
    set -- lint types imports docs pure server system chaos
    [ -z "$full" ] || set -- "$@" full coverage
fi
echo "Testing (logs: $logs/)"
for name in "$@"; do
    step "$name"
done
took=$(($(date +%s) - started))
[ $skipped = 0 ] && extra= || extra=", $skipped skipped"
echo "$passed passed, $failed failed$extra"
if [ -n "$broken" ]; then
    echo "FAILED in $took s:$broken (logs: $logs/)"
    exit 1
fi
[ "$passed" = 0 ] && echo "All checks passed in $took s." || echo "All $passed tests passed in $took s."

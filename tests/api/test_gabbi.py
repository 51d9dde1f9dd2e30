"""The YAML files in gabbits/, one per subject, each on a database of its own.

A file is one test here: its requests build on each other. Gabbi's own plugin for pytest would make a test of each
request, but it trips over any test anywhere in the run that has a colon in its name.
"""

from __future__ import annotations

import unittest
from pathlib import Path

import pytest
from gabbi import driver

from tests.api import fixtures

TESTS = Path(__file__).parent / "gabbits"
built = driver.build_tests(
    str(TESTS),
    unittest.TestLoader(),
    intercept=lambda: fixtures.application,
    fixture_module=fixtures,
    test_loader_name="api",
)
# By the name of the file, which gabbi keeps in the names of the tests' classes.
SUITES = {type(next(iter(suite))).__name__.partition("_")[0]: suite for suite in built}


@pytest.mark.parametrize("subject", sorted(SUITES))
def test_file(subject: str) -> None:
    result = unittest.TestResult()
    SUITES[subject].run(result)
    failed = [f"{type(test).__name__}: {trace}" for test, trace in [*result.failures, *result.errors]]
    assert not failed, f"{len(failed)} of {result.testsRun} failed\n" + "\n".join(failed)
    assert result.testsRun > 5


def test_every_file_is_run() -> None:
    assert set(SUITES) == {path.stem for path in TESTS.glob("*.yaml")}

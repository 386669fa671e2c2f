"""The benchmark runs, checks its results, and writes what it measured. No speed is asserted."""

import json
from pathlib import Path

import pytest
from deadlines import run_file

SCRIPT = Path(__file__).parents[1] / "benches/scaling.py"


def run(*arguments):
    return run_file(SCRIPT, *map(str, arguments), deadline_s=600)


def names():
    return run("--list").stdout.splitlines()


def test_the_rows_of_the_documented_table_exist():
    listed = names()
    for part in (
        "Adder.add",
        "get, ints",
        "get, instances",
        "ConcurrentDict set",
        "Queue put+get",
        "Array slot write",
        "share",
    ):
        assert any(part in name for name in listed), part


def test_every_row_runs_and_missing_packages_are_reported(tmp_path):
    file = tmp_path / "figures.json"
    done = run("--threads", "1,2", "--seconds", "0.001", "--blocks", "2", "--json", file)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads(file.read_text())
    assert [row["name"] for row in record["rows"]] == names()
    for row in record["rows"]:
        assert not [name for name in row["without"] if name.startswith("ungil")], row["without"]
        for cell in row["mops"]:
            assert len(cell["blocks"]) == 2 and min(cell["blocks"]) > 0
    for package, version in record["packages"].items():
        assert version or f"{package} is not installed" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--threads", "0"),
        ("--threads", "x"),
        ("--blocks", "0"),
        ("--seconds", "-1"),
        ("--only", "nothing has this"),
    ],
)
def test_bad_arguments_are_rejected_with_a_message(arguments):
    done = run(*arguments)
    assert done.returncode != 0 and "Traceback" not in done.stderr

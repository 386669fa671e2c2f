"""Runs `ungil compare` and `ungil audit` for the action, and shows the result on the pull request.

The inputs are in `INPUT_*`. The result is written to the summary of the job, and to one comment
that later runs update. Standard library only.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

# GitHub's limits are 65,536 characters for a comment and 1 MiB for a summary.
MAX_COMMENT = 60_000
MAX_SUMMARY = 1_000_000
TIMEOUT_S = 30

# The measured program does not get the token.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "INPUT_TOKEN"}


class Failure(Exception):
    """An input or a run of ungil that gives no result. The message is for the log of the job."""


def main() -> int:
    title = setting("title") or "ungil"
    short, long, status = [], [], 0
    try:
        for run, wanted in ((compare, setting("compare")), (audit, setting("audit"))):
            if wanted:
                summary, report, code = run(wanted)
                short.append(summary)
                long.append(report)
                status = status or code
        if not long:
            raise Failure("neither `compare` nor `audit` is set: there is nothing to do")
    except Failure as failure:
        annotate("error", str(failure))
        return 1
    append("GITHUB_STEP_SUMMARY", shorten("\n\n".join([f"# {title}", *long]), MAX_SUMMARY))
    if setting("comment") == "true":
        comment(title, "\n\n".join([f"## {title}", *short]))
    return status


def compare(arguments: str) -> tuple[str, str, int]:
    """Compares; returns a short and a long text, and the exit status."""
    record = Path(os.environ.get("RUNNER_TEMP", ".")) / f"ungil-{os.getpid()}.jsonl"
    command = ["compare", "--out", str(record)]
    if pythons := setting("python"):
        command += ["--python", pythons]
    for bound in setting("fail-if").splitlines():
        if bound.strip():
            command += ["--fail-if", bound.strip()]
    status = ungil([*command, *split("compare", arguments)]).returncode
    if status not in (0, 3):
        raise Failure(f"ungil compare ended with exit code {status}")
    append("GITHUB_OUTPUT", f"record={record}")
    report = read(["report", "--format", "md", "--output", "-", str(record)])
    result = json.loads(read(["compare", "--replay", str(record), "--json"]))
    verdict = ["**A bound of `fail-if` is crossed.**"] if status else []
    parts = [*verdict, table(result["comparison"]), bullets(result["words"])]
    if result["hazards"]:
        parts.append("Hazards of the measurement:\n\n" + bullets(result["hazards"]))
    parts.append(details("Full report", report))
    return "\n\n".join(parts), report, status


def table(comparison: dict) -> str:
    """Returns the arms with the ratio to the baseline and its interval, as a Markdown table."""
    headline = comparison["headline"]
    rows = [
        f"| arm | ratio ({cell(headline)}) | 95 % interval | blocks | verdict |",
        "|---|---|---|---|---|",
    ]
    for arm in comparison["arms"]:
        against = arm["metrics"].get(headline, {}).get("baseline")
        if against is None:
            fields = ["1", "", comparison["blocks"], "baseline"]
            if arm["arm"] != comparison["baseline"]:
                fields = ["", "", "", "not measured"]
        else:
            ratio = against["ratio"]
            interval = f"{ratio['low']:.3g} to {ratio['high']:.3g}"
            fields = [f"{ratio['ratio']:.3g}", interval, ratio["blocks"], against["verdict"]]
        rows.append("| " + " | ".join(cell(field) for field in (arm["arm"], *fields)) + " |")
    return "\n".join(rows)


def audit(paths: str) -> tuple[str, str, int]:
    """Audits; returns a short and a long text, and the exit status."""
    command = ["audit", "--format", "markdown"]
    if findings := setting("fail-on"):
        command += ["--fail-on", findings]
    done = ungil([*command, *split("audit", paths)], stdout=subprocess.PIPE)
    if done.returncode not in (0, 3):
        raise Failure(f"ungil audit ended with exit code {done.returncode}")
    verdict = "**A finding of `fail-on` is present.**\n\n" if done.returncode else ""
    return verdict + done.stdout, verdict + done.stdout, done.returncode


def ungil(arguments: list[str], **options) -> subprocess.CompletedProcess:
    command = [os.environ.get("UNGIL", "ungil"), *arguments]
    print("$", shlex.join(["ungil", *arguments]), flush=True)
    try:
        return subprocess.run(command, env=ENVIRONMENT, text=True, check=False, **options)
    except OSError as error:
        raise Failure(f"{command[0]}: {error.strerror}") from error


def read(arguments: list[str]) -> str:
    done = ungil(arguments, stdout=subprocess.PIPE)
    if done.returncode:
        raise Failure(f"ungil {arguments[0]} ended with exit code {done.returncode}")
    return done.stdout


def comment(title: str, text: str) -> None:
    """Creates the comment of the pull request, or updates the one of an earlier run."""
    number = pull_request()
    if number is None:
        return
    marker = f"<!-- ungil: {re.sub(r'[^a-z0-9]+', '-', title.lower())} -->"
    body = {"body": shorten(f"{marker}\n{text}", MAX_COMMENT)}
    comments = f"/repos/{os.environ['GITHUB_REPOSITORY']}/issues"
    try:
        if earlier := find_comment(f"{comments}/{number}/comments", marker):
            request("PATCH", f"{comments}/comments/{earlier}", body)
        else:
            request("POST", f"{comments}/{number}/comments", body)
    except (OSError, ValueError) as error:
        # The token of a pull request from a fork cannot write: the summary has the result.
        annotate("warning", f"the comment could not be written: {error}")


def pull_request() -> int | None:
    """Returns the number of the pull request that started the workflow."""
    path = os.environ.get("GITHUB_EVENT_PATH")
    if not path:
        return None
    event = json.loads(Path(path).read_text("utf-8"))
    return event.get("pull_request", {}).get("number")


def find_comment(comments: str, marker: str) -> int | None:
    page = 1
    while found := request("GET", f"{comments}?per_page=100&page={page}"):
        for one in found:
            if (one.get("body") or "").startswith(marker):
                return one["id"]
        page += 1
    return None


def request(method: str, path: str, body: dict | None = None):
    call = urllib.request.Request(
        os.environ.get("GITHUB_API_URL", "https://api.github.com") + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {setting('token')}",
            "Content-Type": "application/json",
            "X-GitHub-Api-Version": "2022-11-28",
        },
    )
    with urllib.request.urlopen(call, timeout=TIMEOUT_S) as answer:
        return json.load(answer)


def setting(name: str) -> str:
    return os.environ.get("INPUT_" + name.upper().replace("-", "_"), "").strip()


def split(name: str, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise Failure(f"the input `{name}` has unbalanced quotes: {error}") from error


def append(variable: str, text: str) -> None:
    if path := os.environ.get(variable):
        with open(path, "a", encoding="utf-8") as file:
            file.write(text + "\n")


def annotate(level: str, message: str) -> None:
    print(f"::{level}::" + message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def cell(value: object) -> str:
    return str(value).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def bullets(lines: list[str]) -> str:
    return "\n".join("- " + line for line in lines)


def details(summary: str, text: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{text}\n\n</details>"


def shorten(text: str, limit: int) -> str:
    """Cuts a text at a line so that it is within the limit."""
    if len(text.encode()) <= limit:
        return text
    cut = text.encode()[:limit].decode(errors="ignore").rsplit("\n", 1)[0]
    closing = "\n\n</details>" if cut.count("<details>") > cut.count("</details>") else ""
    return f"{cut}{closing}\n\n*Shortened: the rest is in the log and the record.*"


if __name__ == "__main__":
    sys.exit(main())

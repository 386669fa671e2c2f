"""The documentation: the Python examples of all pages run, and the guides are complete.

The guides in `docs/structures` have an example for every class and a level of thread safety for
every method.
"""

import inspect
import re
import subprocess
from pathlib import Path

import pytest
from deadlines import run_file

import ungil

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs/structures").glob("*.md"))
# A comment before a block marks it as a file for the page's commands, or gives the reason why it is
# not run. `tests/tests/docs_site.rs` has the rules.
MARKED = re.compile(r"<!-- (file|not run): .* -->\n\Z")
LEVELS = ("incompatible", "compatible", "distinct", "shared", "atomic")
NAMES = sorted(
    name
    for module in vars(ungil).values()
    if inspect.ismodule(module)
    and module.__name__.startswith("ungil.")
    and not module.__name__.startswith("ungil._")
    and hasattr(module, "__all__")
    for name in module.__all__
    # The exceptions of `queue` are re-exported and documented there.
    if getattr(ungil, name).__module__.startswith("ungil")
)


def examples():
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = page.read_text()
        for block in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            if MARKED.search(text[: block.start()]):
                continue
            line = text.count("\n", 0, block.start()) + 2
            yield pytest.param(page, line, block[1], id=f"{page.relative_to(ROOT)}:{line}")


def section(name):
    """Returns the section of a class: from its heading to the next one of that level."""
    for page in PAGES:
        found = re.search(
            rf"^## `{name}`\n(.*?)(?=^## |\Z)", page.read_text(), re.MULTILINE | re.DOTALL
        )
        if found:
            return found[1]
    return None


def methods(name):
    found = getattr(ungil, name)
    if not inspect.isclass(found) or issubclass(found, BaseException):
        return []
    inherited = {"shutdown", "submit", "map"} if name == "ThreadPool" else set()
    own = {m for base in found.__mro__ if base.__module__.startswith("ungil") for m in vars(base)}
    return sorted(m for m in own | inherited if not m.startswith("_"))


def test_all_pages_exist():
    assert {page.stem for page in PAGES} >= {
        "README",
        "how",
        "sharing",
        "atomics",
        "dicts",
        "queues",
        "arrays",
        "locks",
        "pools",
        "phase",
    }


@pytest.mark.parametrize("page, line, code", list(examples()))
def test_the_example_runs(page, line, code, tmp_path):
    # Line numbers are those of the page, so that a traceback leads there. The code is in a file,
    # because some examples start processes or read their own source.
    script = tmp_path / f"{page.stem}_{line}.py"
    script.write_text("\n" * (line - 1) + code)
    done = run_file(script, cwd=tmp_path, stderr=subprocess.STDOUT)
    assert done.returncode == 0, f"{page}:{line}\n{done.stdout}"


@pytest.mark.parametrize("name", NAMES)
def test_every_name_has_a_section_with_an_example_and_a_readme_entry(name):
    found = section(name)
    assert found, f"no page has a heading ## `{name}`"
    assert re.search(rf"^```python\n[^`]*\b{name}\b", found, re.MULTILINE), "no example uses it"
    if name not in ("ABSENT", "ShareWarning", "sharing_of"):
        assert re.search(rf"\b{name}\b", (PAGES[0].parent / "README.md").read_text())


def documented_methods(name):
    """Returns the methods that the tables of a class and its bases list with a level."""
    table = [line for line in (section(name) or "").splitlines() if line.startswith("|")]
    named = {
        m
        for line in table
        if any(level in line for level in LEVELS)
        for m in re.findall(r"`(\w+)", line.split("|")[1])
    }
    bases = getattr(getattr(ungil, name), "__bases__", ())
    return named.union(
        *(
            documented_methods(base.__name__)
            for base in bases
            if getattr(ungil, base.__name__, None) is base
        )
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_method_is_documented_with_its_thread_safety(name):
    assert not set(methods(name)) - documented_methods(name)


@pytest.mark.parametrize("name", NAMES)
def test_every_method_has_a_docstring(name):
    found = getattr(ungil, name)
    assert not callable(found) or inspect.getdoc(found)
    assert not [m for m in methods(name) if not inspect.getdoc(inspect.getattr_static(found, m))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_the_pages_resolve(page):
    for target, anchor in re.findall(
        r"\]\((?!https?:)([\w/.-]*)(?:#([\w-]+))?\)", page.read_text()
    ):
        other = (page.parent / target) if target else page
        assert other.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", other.read_text(), re.MULTILINE)
            slugs = {
                re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings
            }
            assert anchor in slugs, f"{target}#{anchor}"

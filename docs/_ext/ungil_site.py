"""Takes from the program, the package and the schema what the site shows of them.

- `{help}`: what the program prints for a command that ends with `--help`.
- `{audit-rules}`: the rules of `ungil audit`.
- `{schema}`: the types of a JSON schema, a section each.
- The texts of the package's classes and methods, which the stubs leave out.
- The pages of the repository's root, below `project/`.
"""

import importlib
import inspect
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective
from sphinx.util.logging import getLogger

log = getLogger(__name__)


class Help(SphinxDirective):
    """Runs `ungil ... --help` and shows what it prints."""

    has_content = True

    def run(self):
        shown = []
        for line in self.content:
            name, *arguments = line.split()
            if name != "ungil" or arguments[-1] != "--help":
                raise self.error(f"only `ungil ... --help` is run, not `{line}`")
            done = program(self.env, *arguments)
            if done.returncode != 0:
                raise self.error(f"{line}: exit code {done.returncode}: {done.stderr}")
            shown.append(nodes.literal_block(done.stdout, done.stdout, language="text"))
        return shown


class AuditRules(SphinxDirective):
    """Shows the rules of `ungil audit`, as its SARIF has them."""

    has_content = True

    def run(self):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "empty.py"
            source.write_text("", encoding="utf-8")
            done = program(self.env, "audit", str(source), "--format", "sarif")
        if done.returncode != 0:
            raise self.error(f"ungil audit: exit code {done.returncode}: {done.stderr}")
        rules = json.loads(done.stdout)["runs"][0]["tool"]["driver"]["rules"]
        lines = ["| rule | finds | why, and what to do |", "|---|---|---|"]
        for rule in rules:
            title, why = cell(rule["shortDescription"]["text"]), cell(rule["help"]["text"])
            lines.append(f"| `{rule['id']}` | {title} | {why} |")
        return parsed(self, lines, "ungil audit")


class Schema(SphinxDirective):
    """Shows a JSON schema: a section for each type, a row for each field."""

    required_arguments = 1

    def run(self):
        _, path = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(path)
        schema = json.loads(Path(path).read_text(encoding="utf-8"))
        lines = []
        for name, definition in schema["$defs"].items():
            lines += [
                f"({anchor(name)})=",
                f"## {name}",
                "",
                cell(definition.get("description", "")),
                "",
            ]
            fields = definition.get("properties")
            if fields:
                required = definition.get("required", [])
                lines += ["| field | type | required | meaning |", "|---|---|---|---|"]
                for field, what in fields.items():
                    told = what.get("description", "") if isinstance(what, dict) else ""
                    needed = "yes" if field in required else ""
                    lines.append(f"| `{field}` | {kind(what)} | {needed} | {cell(told)} |")
            else:
                lines.append(kind(definition))
            lines.append("")
        return parsed(self, lines, path)


def program(env, *arguments):
    """Runs `ungil`."""
    command = [env.config.ungil_program, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"}, check=False
    )


def parsed(directive, lines, source):
    """Markdown as nodes of the page."""
    parent = nodes.section()
    parent.document = directive.state.document
    directive.state.nested_parse(StringList(lines, source=source), 0, parent, match_titles=True)
    return parent.children


def anchor(name):
    return "schema-" + name.replace("_", "-")


def cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def kind(what):
    """The type of a field, in words, with a link to types that have a section."""
    if not isinstance(what, dict):
        return "any"
    if "$ref" in what:
        name = what["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{anchor(name)})"
    if "const" in what:
        return f"`{json.dumps(what['const'])}`"
    if "enum" in what:
        return ", ".join(f"`{json.dumps(value)}`" for value in what["enum"])
    for choice in ("oneOf", "anyOf"):
        if choice in what:
            return " or ".join(kind(one) for one in what[choice])
    name = what.get("type", "any")
    if isinstance(name, list):
        return " or ".join(name)
    if name == "array":
        return f"array of {kind(what['items'])}" if "items" in what else "array"
    if name == "object" and isinstance(what.get("additionalProperties"), dict):
        return f"object of {kind(what['additionalProperties'])}"
    if name == "object" and "properties" in what:
        return "object: " + ", ".join(f"`{field}`" for field in what["properties"])
    return name


def text_of(name):
    """The text that the installed package has for a name, as reStructuredText."""
    found = runtime(name)
    text = inspect.getdoc(found) if found is not None else None
    return restructured(text) if text else ""


def restructured(text):
    """Text with Markdown's code spans and fences as reStructuredText."""
    parts = re.split(r"^```(?:python)?\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    for i, part in enumerate(parts):
        if i % 2:
            parts[i] = ".. code-block:: python\n\n" + re.sub(
                r"^(?=.)", "   ", part, flags=re.MULTILINE
            )
        else:
            spans = re.split(r"`([^`]+)`", part)
            spans[::2] = [plain.replace("*", "\\*") for plain in spans[::2]]
            spans[1::2] = [f"``{' '.join(code.split())}``" for code in spans[1::2]]
            parts[i] = "".join(spans)
    return "".join(parts)


def runtime(name):
    """The object of a dotted name, or nothing."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        for part in parts[end:]:
            found = (
                inspect.getattr_static(found, part, None)
                if inspect.isclass(found)
                else getattr(found, part, None)
            )
        return found
    return None


def documented(app, what, name, obj, skip, options):
    """Leaves private modules and type variables out, and gives the rest the package's own text."""
    del app, options
    if what in ("module", "package") and name.rsplit(".", 1)[-1].startswith("_"):
        return True
    if what == "data" and "TypeVar" in str(obj.obj.get("value", "")):
        return True
    if not skip and what not in ("module", "package"):
        obj.docstring = text_of(name)
    return skip


def package_is_there(app):
    """Warns where the package cannot be imported: its reference would have signatures alone."""
    del app
    try:
        importlib.import_module("ungil")
    except ImportError as error:
        log.warning("the package cannot be imported, so that its reference has no texts: %s", error)


def root_page(app, name, source):
    """Shows a page of the repository's root below `project/`, its links adapted."""
    if not name.startswith("project/") or name == "project/index":
        return
    text = (Path(app.srcdir).parent / f"{Path(name).name.upper()}.md").read_text(encoding="utf-8")
    text = re.sub(r"\]\(docs/", "](../", text)
    source[0] = re.sub(r"\]\(([A-Z]+)\.md", lambda link: f"]({link[1].lower()}.md", text)


def setup(app):
    app.add_config_value("ungil_program", "ungil", "env")
    app.add_directive("help", Help)
    app.add_directive("audit-rules", AuditRules)
    app.add_directive("schema", Schema)
    app.connect("autoapi-skip-member", documented)
    app.connect("builder-inited", package_is_there)
    app.connect("source-read", root_page)
    return {"version": "1", "parallel_read_safe": True}

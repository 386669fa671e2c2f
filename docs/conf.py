"""Settings of the documentation site. `cargo xtask docs` builds it into `target/docs-site`."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "ungil"
author = "the authors of ungil"
copyright = author
html_title = "ungil"
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_extra_path = ["record.schema.json"]
root_doc = "index"
exclude_patterns = ["_ext", "_static", "requirements.txt"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "autoapi.extension", "ungil_site"]

# Headings down to the fourth rank are link targets, by the rule that forges use.
myst_heading_anchors = 4
myst_enable_extensions = ["smartquotes"]
# Names of the standard library that a stub passes on, and stubs that import each other.
suppress_warnings = ["autoapi.python_import_resolution"]

# The package: signatures from the stubs, texts from the compiled package (`ungil_site`).
autoapi_dirs = [str(HERE.parent / "python" / "ungil")]
autoapi_file_patterns = ["*.pyi", "__init__.py"]
autoapi_root = "reference/package"
autoapi_add_toctree_entry = False
autoapi_options = ["members", "undoc-members", "show-inheritance"]
autoapi_member_order = "bysource"
autoapi_python_class_content = "class"
autodoc_typehints = "signature"

# Names of the standard library and type variables are not linked: the inventory that would say
# where they are documented has to be fetched, and the build needs no network. Names that begin
# with `ungil.` are not excepted.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!ungil\.).*"),
    (r"py:.*", r"ungil\.(\w+\.)?_.*"),
]

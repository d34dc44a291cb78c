"""How `make docs` builds these pages: Sphinx, Markdown by MyST, the API from docstrings."""

from __future__ import annotations

from runlog.version import __version__

project = "runlog"
author = "The runlog authors"
copyright = "The runlog authors, Apache-2.0"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}

html_theme = "furo"
html_title = f"runlog {__version__}"
html_show_sphinx = False
html_copy_source = False

# A console block shows a command and what it prints: only the command is worth copying.
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

myst_enable_extensions = ["colon_fence", "deflist"]
default_role = "code"  # what single backticks in a docstring mean
myst_heading_anchors = 3
suppress_warnings = [
    "myst.xref_missing",  # links to the repository's own files: tests hold them
    "ref.python",  # `bytes` in a signature could be an attribute of that name
]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
python_maximum_signature_line_length = 88
napoleon_use_rtype = False

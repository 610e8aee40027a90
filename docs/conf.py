"""Sphinx configuration. `make docs` builds the site into build/docs with warnings as errors."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

project = "mtv_perception"
author = "the mtv_perception authors"
copyright = f"2026, {author}"  # the name that Sphinx reads
release = re.search(r"<version>(.+?)</version>", (ROOT / "package.xml").read_text())[1]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4
exclude_patterns = ["notebooks"]
nitpicky = False
suppress_warnings = [
    "myst.xref_missing",  # links to files outside docs/; test/test_docs.py checks every link
    "myst.header",  # a page that begins below the first level
]

autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_mock_imports = ["openvino", "rclpy"]

html_theme = "furo"
html_title = f"mtv_perception {release}"

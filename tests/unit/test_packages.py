"""The metadata of our packages."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROJECTS = sorted(ROOT.glob("[!.]*/**/pyproject.toml"))


def metadata(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def test_there_are_seven_packages() -> None:
    assert len(PROJECTS) == 7


@pytest.mark.parametrize("path", PROJECTS, ids=lambda path: path.parent.name)
def test_version_comes_from_the_one_file(path: Path) -> None:
    project = metadata(path)
    assert project["project"]["dynamic"] == ["version"]
    source = project["tool"]["hatch"]["version"]["path"]
    assert (path.parent / source).resolve() == ROOT / "VERSION"


@pytest.mark.parametrize("path", PROJECTS, ids=lambda path: path.parent.name)
def test_package_cannot_be_published_by_accident(path: Path) -> None:
    project = metadata(path)["project"]
    assert project["name"].startswith("sartiq-")
    assert "Private :: Do Not Upload" in project["classifiers"]

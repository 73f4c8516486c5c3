"""The oldest versions that are tried are those that pyproject.toml allows."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {name: needs for name, needs in PROJECT["optional-dependencies"].items() if name != "dev"}


def pins(name):
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
    return {
        canonicalize_name(pin): Version(version) for pin, _, version in (s.partition("==") for s in lines)
    }


def test_the_oldest_constraints_are_the_lower_bounds():
    oldest, newest = pins("constraints-oldest.txt"), pins("constraints.txt")
    assert oldest["torch"] == newest["torch"]  # older builds for processors cannot be had: the file says so
    for need in map(Requirement, sum(EXTRAS.values(), PROJECT["dependencies"])):
        (bound,) = need.specifier
        assert bound.operator == ">="
        if need.name != "torch":
            assert oldest[canonicalize_name(need.name)] == Version(bound.version), need.name


def test_every_extra_is_tried():
    every = ",".join(EXTRAS)
    assert f"EXTRAS = {every}\n" in (ROOT / "Makefile").read_text()
    assert PROJECT["optional-dependencies"]["dev"][0] == f"affect[{every}]"

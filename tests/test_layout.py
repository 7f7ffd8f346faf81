"""The packaging cannot forget a folder, and no module hides a library."""

import importlib.metadata
import re
import sys
import tomllib

PACKAGES_TOP = ("cli", "dataset_cards", "generation", "loaders", "stats", "training")


def _project(repo):
    return tomllib.loads((repo / "pyproject.toml").read_text())


def test_package_list_equals_folders(repo):
    found = {
        "erc_synth." + str(init.parent.relative_to(repo)).replace("/", ".")
        for top in PACKAGES_TOP
        for init in (repo / top).rglob("__init__.py")
    }
    assert set(_project(repo)["tool"]["setuptools"]["packages"]) == found


def test_every_python_folder_is_a_package(repo):
    for top in PACKAGES_TOP:
        for module in (repo / top).rglob("*.py"):
            assert (module.parent / "__init__.py").exists(), module


def test_no_module_hides_another(repo):
    project = _project(repo)["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(line for extra in extras for line in extra)]
    names = {re.split(r"[\[<>=~! ]", line)[0].replace("-", "_").lower() for line in wanted}
    taken = set(sys.stdlib_module_names) | names
    for top in PACKAGES_TOP:
        for module in (repo / top).rglob("*.py"):
            assert module.stem not in taken or module.stem == "__init__", module


def test_no_folder_of_the_namespace(repo):
    assert not (repo / "erc_synth").exists()


def test_init_files_are_empty(repo):
    for top in PACKAGES_TOP:
        for init in (repo / top).rglob("__init__.py"):
            assert init.read_text().strip() == "", init


def test_version_is_the_installed_one(repo):
    assert importlib.metadata.version("erc-synth") == _project(repo)["project"]["version"]

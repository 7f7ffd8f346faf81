"""The packaging cannot forget a folder, and no module hides a library."""

import ast
import graphlib
import importlib.metadata
import re
import sys
import tomllib

import pytest

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


# --- rules of the code -------------------------------------------------------------------------------

LONGEST = 50  # lines of a function, its docstring not counted
MOST_PARAMETERS = 6  # of a function; what travels together is a frozen dataclass


@pytest.fixture(scope="module")
def modules(repo):
    """Module name -> syntax tree of every module of the package."""
    return {
        "erc_synth." + ".".join(path.relative_to(repo).with_suffix("").parts): ast.parse(path.read_text("utf-8"))
        for top in PACKAGES_TOP
        for path in sorted((repo / top).rglob("*.py"))
        if path.name != "__init__.py"
    }


def _imports(tree):
    """(module, name) of every `from erc_synth... import name`, those inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("erc_synth"):
            yield from ((node.module, alias.name) for alias in node.names)


def _functions(modules):
    for module, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield module, node


def _length(module, function):
    """Lines without the docstring; of a verb also without its options."""
    docstring = function.body[0] if ast.get_docstring(function) else None
    begin = function.body[0].lineno if _is_verb(module, function) else function.lineno
    return function.end_lineno - begin + 1 - (docstring.end_lineno - docstring.lineno + 1 if docstring else 0)


def _is_verb(module, function):
    """A command of Typer: its parameters are the options of the command line."""
    return module.startswith("erc_synth.cli.") and any(
        isinstance(argument.annotation, ast.Subscript) and "typer." in ast.unparse(argument.annotation)
        for argument in function.args.args
    )


def test_no_import_circle_imports_inside_functions_counted(modules):
    graph = {
        module: {full if (full := f"{source}.{name}") in modules else source for source, name in _imports(tree)}
        for module, tree in modules.items()
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError with the circle


def test_no_private_name_crosses_a_module(modules):
    crossing = [(module, name) for module, tree in modules.items() for _, name in _imports(tree) if name[0] == "_"]
    assert not crossing


def test_functions_are_short(modules):
    long = [(module, f.name, _length(module, f)) for module, f in _functions(modules) if _length(module, f) > LONGEST]
    assert not long


def test_functions_take_few_parameters(modules):
    def parameters(function):
        own = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
        return [argument.arg for argument in own if argument.arg not in ("self", "cls")]

    many = [
        (module, f.name, len(parameters(f)))
        for module, f in _functions(modules)
        if len(parameters(f)) > MOST_PARAMETERS and not _is_verb(module, f)
    ]
    assert not many


def test_only_the_registry_spells_out_the_benchmarks(repo):
    """The triple in one place: a list of the three names in code would be a second registry."""
    triple = re.compile(r"meld\W+emorynlp\W+iemocap", re.IGNORECASE)
    spelled = [
        path.relative_to(repo)
        for top in PACKAGES_TOP
        for path in (repo / top).rglob("*.py")
        for literal in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(literal, ast.Tuple | ast.List | ast.Set | ast.Constant) and triple.search(ast.unparse(literal))
    ]
    assert not spelled

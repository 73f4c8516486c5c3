"""Classes by name: what a configuration calls a class, where it is, and how a run keeps a user's own.

A class is looked for beside the configuration's file, or in the modules that a run brings along, and then
among what is installed. A user's modules are loaded by file (`affect.classes.loading`), copied into runs with
every local module that they import, and executed from a run only where its user made it
(`affect.classes.trust`).
"""

from affect.classes.homes import (
    FOLDER,
    Home,
    beside,
    importable,
    kept,
    module_of,
    modules_in,
    modules_of,
    within,
)
from affect.classes.loading import as_written
from affect.classes.paths import class_of, path_of
from affect.classes.sources import Modules

__all__ = [
    "FOLDER",
    "Home",
    "Modules",
    "beside",
    "class_of",
    "importable",
    "kept",
    "module_of",
    "modules_in",
    "modules_of",
    "path_of",
    "as_written",
    "within",
]

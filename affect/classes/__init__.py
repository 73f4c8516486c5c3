"""Classes by name: what a configuration calls a class, and where it is."""

from affect.classes.paths import class_of, path_of

__all__ = ["class_of", "path_of"]

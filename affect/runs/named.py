"""What a configuration names, in any depth, is looked at before any of it is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from affect.classes.following import IMPORT_PATH
from affect.classes.kinds import FIRST, MEANT, may_be_called
from affect.classes.objects import object_of
from affect.classes.strangers import is_part_class
from affect.errors import ConfigError
from affect.runs.type_errors import names_class, options_of, signature_of


def check_named(content: Any, where: str, key: str = "") -> None:
    """Refuse a class path, or a text where a function is expected, that names what is not meant to be called.

    Whether a class has the base that is wanted in its place is said elsewhere: here is refused what can be
    wanted nowhere.

    Args:
        content: plain values.
        where: begins the message.
        key: what the content is called.
    Raises:
        ConfigError: there is something of that kind.
    Example:
        >>> check_named({"save_dir": {"class_path": "joblib.load"}}, "doc")
        Traceback (most recent call last):
        affect.errors.ConfigError: doc: save_dir: joblib.load is no part; expected a class that derives from
        one of affect's, torch's or Lightning's parts, or what a module of yours, of affect, torch, optuna,
        lightning or numpy defines
    """
    if isinstance(content, list | tuple):
        for entry in content:
            check_named(entry, where, key)
    if not isinstance(content, Mapping):
        return
    hints: Mapping[str, Any] = {}
    if isinstance(content.get("class_path"), str):
        _check(content["class_path"], where, key)
        hints = signature_of(content)[1]
    for name, value in content.items():
        if name == "init_args" and isinstance(value, Mapping):
            for argument, entry in value.items():
                path = isinstance(entry, str) and IMPORT_PATH.fullmatch(entry)
                if path and any(map(names_class, options_of(hints.get(argument, Any)))):
                    _check(str(entry), where, argument)
                check_named(entry, where, argument)
        elif name != "class_path":
            check_named(value, where, str(name))


def _check(path: str, where: str, key: str) -> None:
    if "." not in path:
        return  # nothing is imported for it
    try:
        found = object_of(path, "part")
    except ConfigError as error:
        raise ConfigError(f"{where}: {key}: {error}") from None
    if isinstance(found, type) and is_part_class(found):
        return
    if not may_be_called(found, path, first=FIRST.get(key, "")):
        raise ConfigError(
            f"{where}: {key}: {path} is no part; expected a class that derives from one of affect's, torch's "
            f"or Lightning's parts, or what a module of yours, of {MEANT} defines"
        )

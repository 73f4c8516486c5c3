"""A paper with changes: what is written beside `paper: NAME` takes the place of what the paper has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from affect.data.tokens import TOKENS

PREFIX: Final = "paper:"
"""What stands before the name where a configuration's file is asked for, or a model."""


def paper_in(own: Any) -> str:
    """The paper that a configuration or a model begins with, with the prefix; or nothing.

    Example:
        >>> paper_in({"paper": "misa:mosei", "training": {"epochs": 9}}), paper_in({"model": {}})
        ('paper:misa:mosei', '')
    """
    if isinstance(own, Mapping) and own.get("paper") is not None:
        return PREFIX + str(own["paper"]).removeprefix(PREFIX)
    return ""


def changed(own: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Sections with others' values in them; a class takes the place of a class, arguments alone change one.

    Example:
        >>> changed({"width": 8, "training": {"epochs": 9}}, {"training": {"batch_size": 4}})
        {'width': 8, 'training': {'epochs': 9, 'batch_size': 4}}
        >>> changed({"fusion": "TensorFusion"}, {"fusion": {"init_args": {"dropout": 0.2}}})
        {'fusion': {'class_path': 'TensorFusion', 'init_args': {'dropout': 0.2}}}
    """
    found = dict(own)
    for key, value in other.items():
        before = found.get(key)
        if isinstance(before, str) and isinstance(value, Mapping) and [*value] == ["init_args"]:
            before = {"class_path": before}
        if isinstance(before, Mapping) and isinstance(value, Mapping) and "class_path" not in value:
            value = changed(before, value)
        found[key] = value
    return found


def adapted(paper: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The sections of a paper with a user's in them.

    As `changed`, and: an encoder for all takes the place of the paper's own for some (`replaced`); a term is
    changed, or switched off by none in its place, wherever the paper has it, in its stages too; `terms` or
    `stages` without anything in them leave out all of the paper's.

    Args:
        paper: its sections (`affect.papers.Paper.content_for`).
        own: the same of the user, without the paper's name.
    Example:
        >>> misa = affect.papers.misa.content
        >>> [*adapted(misa, {"terms": {"alike": None}})["stages"][1]["terms"]]
        ['apart', 'rebuilt']
        >>> adapted(misa, {"terms": {}})["stages"][1]["terms"]
        {}
    """
    found = changed(paper, {key: value for key, value in own.items() if key != "terms"})
    if left := replaced(paper, own):
        kept = {name: one for name, one in found["model"]["encoders"].items() if name not in left}
        found["model"] = {**found["model"], "encoders": kept}
    if "terms" not in own:
        return found
    given = own["terms"] or {}
    if not isinstance(given, Mapping):
        return {**found, "terms": given}  # which the configuration refuses
    every, known = paper.get("terms") or {}, {*(paper.get("terms") or {})}
    if "stages" not in own and found.get("stages"):
        known |= {name for stage in found["stages"] for name in stage.get("terms") or {}}
        found["stages"] = [
            {**stage, "terms": _terms(stage["terms"], given)} if stage.get("terms") else stage
            for stage in found["stages"]
        ]
    new = {name: value for name, value in given.items() if name not in known}
    return {**found, "terms": {**_terms(every, given), **new}}


def replaced(paper: Mapping[str, Any], own: Mapping[str, Any]) -> list[str]:
    """The modalities whose own encoders in a paper make room for the one that a user names for all.

    Those stay that the user's `encoders` name, and what reads sub-words.

    Args:
        paper: its sections.
        own: the user's.
    Example:
        >>> replaced(affect.papers.lmf.content, {"model": {"encoder": "GRUEncoder"}})
        ['text']
    """
    model = own.get("model") or {}
    if not isinstance(model, Mapping):
        return []
    given = model.get("encoder")
    if not (isinstance(given, str) or (isinstance(given, Mapping) and "class_path" in given)):
        return []
    before = encoders_in(paper)
    named = {TOKENS, *encoders_in(own)}
    return [name for name, encoder in before.items() if encoder is not None and name not in named]


def encoders_in(own: Mapping[str, Any]) -> Mapping[str, Any]:
    """The encoders by modality of some sections; none where what stands there is to be refused later.

    Example:
        >>> encoders_in({"model": {"encoders": {"text": "GRUEncoder"}}}), encoders_in({"model": 3})
        ({'text': 'GRUEncoder'}, {})
    """
    model = own.get("model")
    encoders = model.get("encoders") if isinstance(model, Mapping) else None
    return encoders if isinstance(encoders, Mapping) else {}


def _terms(own: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A paper's terms as a user changes them: all are left out where none is given."""
    if not given:
        return {}
    found = changed(own, {name: value for name, value in given.items() if name in own})
    return {name: value for name, value in found.items() if value is not None}

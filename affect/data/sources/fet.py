"""What MMSA-FET says beside the features that it extracts: its configuration, and when words are said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from affect.data.corpus import Split
from affect.data.provenance import Provenance
from affect.data.ragged import Words
from affect.data.rules.values import text

_TOOLS = {"text": "text", "audio": "acoustic", "video": "visual"}
_MAKER = ("tool", "pretrained", "model")
_BESIDE = (*_MAKER, "device", "args", "fps", "average_over")
_SKIPPING, _KEEPING = "mediapipe", "openface"
_DEEP, _MANY, _LONG = 4, 100, 200


def made(config: object, modalities: Iterable[str]) -> dict[str, Provenance]:
    """Who made the features, by modality; nothing where that is no configuration of MMSA-FET.

    Args:
        config: as the file holds it.
        modalities: of the corpus.
    Example:
        >>> config = {"video": {"tool": "openface", "fps": 25, "average_over": 5, "args": {"gaze": False}}}
        >>> made(config, ["visual"])["visual"].rate, made(config, ["text"])
        (5.0, {})
    """
    found: dict[str, Provenance] = {}
    if not isinstance(config, dict):
        return found
    for key, modality in _TOOLS.items():
        own = config.get(key)
        if modality not in modalities or not isinstance(own, dict):
            continue
        maker = next((own[name] for name in _MAKER if isinstance(own.get(name), str | bytes)), "")
        rest = {name: value for name, value in own.items() if name not in _BESIDE}
        arguments = _plain({**rest, **own["args"]} if isinstance(own.get("args"), dict) else rest)
        keeps = own.get("tool") == _KEEPING and "align" not in config
        rate = _rate(own.get("fps"), own.get("average_over", 1)) if keeps else None
        found[modality] = Provenance(text(maker)[:_LONG], arguments=arguments, clock="sample", rate=rate)
    return found


def config_notes(config: object, splits: Mapping[str, Split]) -> list[str]:
    """Notes on what its extractors do with frames without a face, and on samples of which they found nothing.

    Args:
        config: as the file holds it.
        splits: of the corpus.
    Example:
        >>> rows = affect.Ragged.from_offsets(np.zeros((1, 3)), np.array([0, 1, 1]), np.array([False]))
        >>> config_notes({"video": {"tool": "mediapipe"}}, {"test": Split(("a", "b"), {"visual": rows}, {})})
        ... # doctest: +NORMALIZE_WHITESPACE
        ['MMSA-FET leaves out frames in which mediapipe finds no face: visual steps have no regular rate.',
        'test, visual: nothing was extracted of 2 of 2 samples.']
    """
    video = config.get("video") if isinstance(config, dict) else None
    tool = video.get("tool") if isinstance(video, dict) else None
    notes = []
    if tool == _SKIPPING:
        notes.append(
            f"MMSA-FET leaves out frames in which {tool} finds no face: visual steps have no regular rate."
        )
    elif tool == _KEEPING:
        notes.append(
            f"MMSA-FET keeps frames in which {tool} finds no face, and the file does not say which they are: "
            "those that hold zeros count as unobserved."
        )
    for split, own in splits.items():
        for modality, rows in own.modalities.items():  # it keeps one step of zeros of a failure, or none
            none = int(((rows.lengths <= 1) & ~rows.present).sum())
            if none:
                notes.append(
                    f"{split}, {modality}: nothing was extracted of {none:,} of {len(own):,} samples."
                )
    return notes


def single(content: Any, name: str) -> dict[str, Any] | None:
    """What it extracted of one recording, as a file of one sample in its split `all`; None if it is no such.

    Args:
        content: what a pickle holds.
        name: of the sample.
    Example:
        >>> found = single({"audio": np.ones((3, 2)), "config": {"audio": {"tool": "opensmile"}}}, "clip")
        >>> found["all"]["audio"].shape, found["all"]["audio_lengths"], found["all"]["id"]
        ((1, 3, 2), [3], ['clip'])
    """
    if not isinstance(content, dict) or not isinstance(content.get("config"), dict):
        return None
    arrays = {key: content.get(key) for key in ("text", "audio", "vision")}
    own: dict[str, Any] = {
        key: value[None] for key, value in arrays.items() if isinstance(value, np.ndarray) and value.ndim == 2
    }
    if not own:
        return None
    aligned = content.get("align")
    if isinstance(aligned, list):
        own["align"] = [aligned]
        own["raw_text"] = [" ".join(text(word.get("text", "")) for word in aligned if isinstance(word, dict))]
    else:
        own |= {f"{key}_lengths": [own[key].shape[1]] for key in ("audio", "vision") if key in own}
    tokens = content.get("text_bert")
    if isinstance(tokens, np.ndarray) and tokens.ndim == 2 and tokens.shape[1] == 3:
        own["text_bert"] = tokens.T[None]
    return {"all": {"id": [name], **own}, "config": content["config"]}


def timed(aligned: Any, lines: Iterable[str]) -> Words | None:
    """The words of each sample with their times, where those that were aligned are those of the transcript.

    Args:
        aligned: for each sample what its aligner found: `text`, `start` and `end` of each word.
        lines: the transcripts.
    Example:
        >>> timed([[{"text": "so", "start": 0.0, "end": 0.5}]], ["so"]).times.tolist()
        [[0.0, 0.5]]
    """
    tokens, times = [], []
    try:
        for found, line in zip(aligned, lines, strict=True):
            words = [text(word["text"]) for word in found]
            if "".join(words) != "".join(line.split()):
                return None
            tokens.append(words)
            seconds = [(float(word["start"]), float(word["end"])) for word in found]
            times.append(np.array(seconds, dtype=np.float64).reshape(-1, 2))
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    if not all(np.isfinite(own).all() for own in times):
        return None
    return Words.from_rows(tokens, times)


def _rate(fps: object, over: object) -> float | None:
    """Steps per second."""
    numbers = (fps, over)
    if all(isinstance(one, int | float) and not isinstance(one, bool) and 0 < one < 1e6 for one in numbers):
        return float(fps) / max(float(over), 1.0)  # type: ignore[arg-type]  # they are numbers
    return None


def _plain(values: Mapping[Any, Any], depth: int = 0) -> dict[str, Any]:
    """What of it a native file can hold."""
    found: dict[str, Any] = {}
    for key, value in list(values.items())[:_MANY]:
        one = value.item() if isinstance(value, np.generic) else value
        if isinstance(one, dict) and depth < _DEEP:
            found[text(key)] = _plain(one, depth + 1)
        elif isinstance(one, str | bytes):
            found[text(key)] = text(one)[:_LONG]
        elif one is None or isinstance(one, bool | int) or (isinstance(one, float) and np.isfinite(one)):
            found[text(key)] = one
    return found

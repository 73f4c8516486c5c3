"""What is known about each public corpus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from affect.data.corpus import Split


@dataclass(frozen=True)
class PublicCorpus:
    """Facts about a corpus that others published.

    Args:
        title: its name in papers.
        citation: whom to cite.
        homepage: where it is officially had.
        splits: published sample counts; empty where there is no official split.
        targets: what can be predicted.
        modalities: what it consists of, under affect's names.
        checksums: SHA-256 of published files of it, by file; as the MMSA project's README lists them.
    """

    title: str
    citation: str
    homepage: str
    splits: dict[str, int]
    targets: tuple[str, ...]
    modalities: tuple[str, ...] = ("text", "acoustic", "visual")
    checksums: dict[str, str] = field(default_factory=dict)


LABELS = "labels"
SEQUENCES = {
    LABELS: r"label|opinion|sentiment|emotion",
    "acoustic": r"covarep|opensmile|acoustic|audio",
    "visual": r"facet|openface|emotient|visual|vision|video",
    "text": r"word|glove|bert|text|phone",
}
"""What the computational sequences of public corpora hold, by a pattern that their names match."""

CORPORA: dict[str, PublicCorpus] = {
    "mosi": PublicCorpus(
        "CMU-MOSI",
        "Zadeh et al., MOSI: Multimodal Corpus of Sentiment Intensity and Subjectivity Analysis in Online "
        "Opinion Videos, 2016",
        "http://multicomp.cs.cmu.edu/resources/cmu-mosi-dataset/",
        {"train": 1284, "valid": 229, "test": 686},
        ("sentiment",),
        checksums={
            "unaligned_50.pkl": "78e0f8b5ef8ff71558e7307848fc1fa929ecb078203f565ab22b9daab2e02524",
            "aligned_50.pkl": "d3994fd25681f9c7ad6e9c6596a6fe9b4beb85ff7d478ba978b124139002e5f9",
        },
    ),
    "mosei": PublicCorpus(
        "CMU-MOSEI",
        "Zadeh et al., Multimodal Language Analysis in the Wild: CMU-MOSEI Dataset and Interpretable Dynamic "
        "Fusion Graph, ACL 2018",
        "http://multicomp.cs.cmu.edu/resources/cmu-mosei-dataset/",
        {"train": 16326, "valid": 1871, "test": 4659},
        ("sentiment", "emotion"),
        checksums={
            "unaligned_50.pkl": "ad8b23d50557045e7d47959ce6c5b955d8d983f2979c7d9b7b9226f6dd6fec1f",
            "aligned_50.pkl": "45eccfb748a87c80ecab9bfac29582e7b1466bf6605ff29d3b338a75120bf791",
        },
    ),
    "sims": PublicCorpus(
        "CH-SIMS",
        "Yu et al., CH-SIMS: A Chinese Multimodal Sentiment Analysis Dataset with Fine-grained Annotation of "
        "Modality, ACL 2020",
        "https://github.com/thuiar/MMSA",
        {"train": 1368, "valid": 456, "test": 457},
        ("sentiment",),
        checksums={
            "unaligned_39.pkl": "c9e20c13ec0454d98bb9c1e520e490c75146bfa2dfeeea78d84de047dbdd442f",
        },
    ),
    "mustard": PublicCorpus(
        "MUStARD",
        "Castro et al., Towards Multimodal Sarcasm Detection (An _Obviously_ Perfect Paper), ACL 2019; "
        "Ray et al., A Multimodal Corpus for Emotion Recognition in Sarcasm, LREC 2022",
        "https://github.com/soujanyaporia/MUStARD",
        {},
        ("sarcasm", "valence", "arousal", "implicit_emotion", "explicit_emotion"),
    ),
    "mmmo": PublicCorpus(
        "ICT-MMMO",
        "Wollmer et al., YouTube Movie Reviews: Sentiment Analysis in an Audio-Visual Context, "
        "IEEE Intelligent Systems 2013",
        "https://github.com/pliang279/MFN",
        {"train": 220, "valid": 40, "test": 80},
        ("sentiment",),
    ),
    "youtube": PublicCorpus(
        "YouTube",
        "Morency et al., Towards Multimodal Sentiment Analysis: Harvesting Opinions from the Web, ICMI 2011",
        "https://github.com/pliang279/MFN",
        {"train": 173, "valid": 36, "test": 60},
        ("sentiment",),
    ),
    "pom": PublicCorpus(
        "POM",
        "Park et al., Computational Analysis of Persuasiveness in Social Multimedia: A Novel Dataset and "
        "Multimodal Prediction Approach, ICMI 2014",
        "https://github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK",
        {"train": 600, "valid": 100, "test": 203},
        ("sentiment",),
    ),
    "iemocap": PublicCorpus(
        "IEMOCAP",
        "Busso et al., IEMOCAP: Interactive Emotional Dyadic Motion Capture Database, Language Resources and "
        "Evaluation 2008",
        "https://sail.usc.edu/iemocap/",
        {},
        ("emotion",),
    ),
    "meld": PublicCorpus(
        "MELD",
        "Poria et al., MELD: A Multimodal Multi-Party Dataset for Emotion Recognition in Conversations, ACL "
        "2019",
        "https://github.com/declare-lab/MELD",
        {},
        ("emotion", "sentiment"),
    ),
}
"""By the name that experiments use."""


@cache
def folds() -> dict[str, dict[str, str]]:
    """The official split of every video, by corpus and video; the SDK's own lists, which `folds.json` holds.

    Example:
        >>> {name: len(videos) for name, videos in folds().items()}
        {'mosi': 93, 'mosei': 3228, 'pom': 903}
        >>> folds()["mosi"]["03bSnISJMiM"]
        'train'
    """
    stored = json.loads((files("affect.data") / "folds.json").read_text(encoding="utf-8"))
    return {
        name: {video: split for split in ("train", "valid", "test") for video in lists[split].split()}
        for name, lists in stored.items()
    }


def published_file(sha256: str) -> str:
    """The published file with this checksum, such as `CMU-MOSI, aligned_50.pkl`; empty if there is none."""
    for corpus in CORPORA.values():
        for file, checksum in corpus.checksums.items():
            if checksum == sha256:
                return f"{corpus.title}, {file}"
    return ""


def recognise(videos: Iterable[str]) -> str:
    """The corpus that most of these videos belong to; empty where there is none.

    MOSEI and POM share videos: the one of which more is here is meant.

    Example:
        >>> recognise(["03bSnISJMiM", "0h-zjBukYpk"]), recognise(["holiday"])
        ('mosi', '')
    """
    here = set(videos)
    known = {name: len(here & videos.keys()) for name, videos in folds().items()}
    likely = [name for name, count in known.items() if here and 2 * count > len(here)]
    return max(likely, key=lambda name: known[name] / len(folds()[name]), default="")


def named_in(path: str) -> str:
    """The public corpus that the path of a file, or the name of a generated corpus, names; empty if none.

    What names it is a word of the file's name, or else of its folder's, or of the one around that.

    Example:
        >>> named_in("synthetic:mosei_unaligned:24"), named_in("MOSI/Processed/aligned_50.pkl")
        ('mosei', 'mosi')
        >>> named_in("mosi_and_mosei.pkl"), named_in("simsv2.pkl")
        ('', '')
    """
    for part in re.split(r"[/\\]", path)[:-4:-1]:
        words = re.split(r"[^a-z0-9]+", part.lower())
        if found := [name for name in CORPORA if name in words]:
            return found[0] if len(found) == 1 else ""
    return ""


def identify(splits: Mapping[str, Split]) -> str:
    """The public corpus that has these videos, or else this many samples in its splits; empty if none has.

    Example:
        >>> identify(affect.load("synthetic").splits)
        ''
    """
    counts = {name: len(split) for name, split in splits.items()}
    same = [name for name, corpus in CORPORA.items() if corpus.splits and corpus.splits == counts]
    known = recognise(group for split in splits.values() for group in split.groups or ())
    return known or next(iter(same), "")


def citation(splits: Mapping[str, Split]) -> str:
    """Whom to cite for a corpus with these splits; empty where it is not a known one."""
    name = identify(splits)
    return CORPORA[name].citation if name else ""

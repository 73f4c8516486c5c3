"""What is known about each public corpus."""

from __future__ import annotations

from dataclasses import dataclass


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
    """

    title: str
    citation: str
    homepage: str
    splits: dict[str, int]
    targets: tuple[str, ...]
    modalities: tuple[str, ...] = ("text", "acoustic", "visual")


CORPORA: dict[str, PublicCorpus] = {
    "mosi": PublicCorpus(
        "CMU-MOSI",
        "Zadeh et al., MOSI: Multimodal Corpus of Sentiment Intensity and Subjectivity Analysis in Online "
        "Opinion Videos, 2016",
        "http://multicomp.cs.cmu.edu/resources/cmu-mosi-dataset/",
        {"train": 1284, "valid": 229, "test": 686},
        ("sentiment",),
    ),
    "mosei": PublicCorpus(
        "CMU-MOSEI",
        "Zadeh et al., Multimodal Language Analysis in the Wild: CMU-MOSEI Dataset and Interpretable Dynamic "
        "Fusion Graph, ACL 2018",
        "http://multicomp.cs.cmu.edu/resources/cmu-mosei-dataset/",
        {"train": 16326, "valid": 1871, "test": 4659},
        ("sentiment", "emotion"),
    ),
    "sims": PublicCorpus(
        "CH-SIMS",
        "Yu et al., CH-SIMS: A Chinese Multimodal Sentiment Analysis Dataset with Fine-grained Annotation of "
        "Modality, ACL 2020",
        "https://github.com/thuiar/MMSA",
        {"train": 1368, "valid": 456, "test": 457},
        ("sentiment",),
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
    "iemocap": PublicCorpus(
        "IEMOCAP",
        "Busso et al., IEMOCAP: Interactive Emotional Dyadic Motion Capture Database, Language Resources and "
        "Evaluation 2008",
        "https://sail.usc.edu/iemocap/",
        {},
        ("emotion",),
    ),
}
"""By the name that experiments use."""

"""Features of recordings: an extractor for each modality, and a corpus from a list of clips.

An extractor reads `affect.media.Media` and gives `affect.Steps`; whoever writes one derives from `Extractor`,
and holds it to `affect.testing.check_extractor`.
"""

from affect.extraction.base import Extractor
from affect.extraction.clips import Clip
from affect.extraction.extracting import Extracted, extract
from affect.extraction.spectra import MFCC, MelSpectrum

__all__ = ["MFCC", "Clip", "Extracted", "Extractor", "MelSpectrum", "extract"]

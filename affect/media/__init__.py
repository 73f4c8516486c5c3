"""Recordings: the sound and the pictures of a file, on the file's own clock, a piece at a time.

`Recording` reads files through PyAV (`pip install "affect[media]"`), which is imported when the first file is
opened. `Media` is what extractors are written against.
"""

from affect.media.base import AudioBlock, Frame, Media
from affect.media.recording import Recording

__all__ = ["AudioBlock", "Frame", "Media", "Recording"]

"""Files of features that a known tool wrote, recognised by what they hold."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from affect.data.sources.features import Features
from affect.data.sources.tools import (
    arff,
    audinterface,
    covarep,
    delimited,
    facet,
    matlab,
    openface,
    opensmile,
    pyfeat,
)

_BEGIN = 1 << 14
_TOOLS = (facet, openface, pyfeat, audinterface, opensmile, covarep)


def read(file: Path, keep: Collection[str] = (), targets: Collection[str] = ()) -> Features | None:
    r"""The steps that a tool wrote; None where it is no tool's file that is known.

    Args:
        file: OpenFace's, openSMILE's, FACET's or py-feat's text, ARFF, or COVAREP's MATLAB file.
        keep: columns that are features though they look like none.
        targets: names of targets; a column of that name is a label.
    Raises:
        DataError: a tool's file is damaged, or holds several recordings.
    Example:
        >>> path = getfixture("tmp_path") / "a.csv"
        >>> rows = "frame, timestamp, confidence, success, AU01_r\n1, 0, .9, 1, 2\n2, .5, .2, 1, 3\n"
        >>> _ = path.write_text(rows)
        >>> found = read(path)
        >>> found.columns, found.observed.tolist(), found.times.tolist(), found.made.rate
        (('AU01_r',), [True, False], [[0.0, 0.5], [0.5, 1.0]], 2.0)
        >>> found.left, found.notes
        (('frame', 'confidence', 'success'),
         (('steps without a face (success 0 or confidence below 0.7)', 1),))
    """
    if not file.is_file():  # a pipe would be waited for
        return None
    with file.open("rb") as stored:
        begin = stored.read(_BEGIN)
    if matlab.recognises(begin):
        return covarep.matrix(file, keep, targets)
    if arff.recognises(begin):
        return arff.read(file, keep, targets)
    header = delimited.header(file)
    tool = None if header is None else next((one for one in _TOOLS if one.recognises(header)), None)
    return None if tool is None or header is None else tool.read(header, keep, targets)

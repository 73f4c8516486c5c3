"""Transcripts of every kind become words with times; damaged ones end in one line."""

import json
import random
import re
import time

import numpy as np
import pytest

from affect.data.sources import transcripts
from affect.errors import DataError

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.3
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 2.3
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = "s"
        intervals [2]:
            xmin = 0.5
            xmax = 0.75
            text = "oU"
        intervals [3]:
            xmin = 0.75
            xmax = 2.3
            text = "sil"
    item [2]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 2.3
        intervals: size = 4
        intervals [1]:
            xmin = 0
            xmax = 0.75
            text = "so"
        intervals [2]:
            xmin = 0.75
            xmax = 1
            text = ""
        intervals [3]:
            xmin = 1
            xmax = 2
            text = "g\u00fct ""!"""
LONG += """"
        intervals [4]:
            xmin = 2
            xmax = 2.3
            text = "<eps>"
    item [3]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 2.3
        points: size = 1
        points [1]:
            number = 0.4
            mark = "here"
"""


def short(*tiers, header='File type = "ooTextFile short"\n"TextGrid"'):
    """A TextGrid in the short form: each tier a name and its intervals."""
    lines = [header, "", "0", "9", "<exists>", str(len(tiers))]
    for name, *intervals in tiers:
        lines += ['"IntervalTier"', f'"{name}"', "0", "9", str(len(intervals))]
        lines += [f'{start}\n{end}\n"{text}"' for start, end, text in intervals]
    return "\n".join(lines) + "\n"


def word(text, start=None, end=None, **others):
    times = {"start": start, "end": end}
    return {"word": text, **{name: one for name, one in times.items() if one is not None}, **others}


def token(text, start, end):
    return {"text": text, "timestamps": {}, "offsets": {"from": start, "to": end}, "id": 7, "p": 0.9}


SRT = """1
00:00:01,000 --> 00:00:03,000 X1:100 X2:200
{\\an8}<i>So</i> <font color="red">good!</font>

2
00:01:00,500 --> 00:01:01,500
- Really?
"""
VTT = """WEBVTT - a title
Kind: captions

STYLE
::cue { color: red }

NOTE
no --
words

intro
00:01.000 --> 00:03.000 align:start line:0
<v.loud Mary Ann>Tom &amp; <b>I</b></v>

01:00:00.000 --> 01:00:01.000
NOTE this
"""
STAMPS = """WEBVTT

00:01.000 --> 00:04.000
so<00:00:01.500><c> very</c><00:02.000> <c.red>good</c>
"""
ROLLING = """WEBVTT

00:00:00.000 --> 00:00:02.500 align:start position:0%

hello<00:00:00.500><c> there</c>

00:00:02.500 --> 00:00:02.510 align:start position:0%
hello there


00:00:02.510 --> 00:00:05.000 align:start position:0%
hello there
welcome<00:00:03.000><c> back</c>
"""
UNDERLINED = """WEBVTT

00:00.000 --> 00:00.500
<u>So</u> good, it

00:00.500 --> 00:00.700
So good, it

00:00.700 --> 00:01.000
So <u>good,</u> it

00:01.000 --> 00:01.200
So good, <u>it</u>
"""
WHISPER = {
    "text": " So good. It is.",
    "segments": [
        {"id": 0, "start": 0.0, "end": 1.0, "text": " So good.", "tokens": [50364, 407],
         "words": [word(" So", 0.0, 0.25, probability=0.9), word(" good.", 0.5, 1.0, probability=0.8)]},
        {"id": 1, "start": 2.0, "end": 3.0, "text": " It is.", "tokens": [467, 307]},
    ],
    "language": "en",
}  # fmt: skip
WHISPERX = {
    "segments": [{"start": 0.5, "end": 4.0, "text": " 12 of 3 b, 40", "words": [
        word("12"), word("of", 1.0, 1.5, score=0.7), word("3"), word("b,"), word("go", 2.5, 3.0), word("40")]}],
    "word_segments": [],
}  # fmt: skip
CPP = {
    "systeminfo": "", "model": {"text": {"ctx": 448}}, "result": {"language": "en"},
    "transcription": [
        {"timestamps": {"from": "00:00:00,600", "to": "00:00:01,450"}, "offsets": {"from": 600, "to": 1450},
         "text": " fantastic one.", "tokens": [
             token("[_BEG_]", 0, 0), token(" fan", 600, 700), token("tastic", 700, 900), token(" one", 900, 1400),
             token(".", 1400, 1450), token("[_TT_118]", 1450, 1450)]},
        {"offsets": {"from": 2000, "to": 3000}, "text": " yes", "tokens": []},
    ],
}  # fmt: skip
MFA = {
    "start": 0, "end": 3.0,
    "tiers": {
        "Tom - words": {"type": "interval", "entries": [[1.0, 2.0, "well"], [2.0, 2.5, ""]]},
        "Tom - phones": {"type": "interval", "entries": [[1.0, 1.5, "w"], [1.5, 2.0, "l"]]},
        "Mary - words": {"type": "interval", "entries": [[0.0, 0.5, "so"], [2.5, 3.0, "good"]]},
    },
}  # fmt: skip

GOOD = [("so", 0.0, 0.25), ("good", 0.5, 1.0)]
CASES = {
    "long TextGrid": (LONG, [("so", 0, 0.75), ("g\u00fct", 1, 1.75), ('"!', 1.75, 2)], True),
    "short TextGrid": (short(("word", (0, 0.25, "so"), (0.25, 0.5, "SIL"), (0.5, 1, "good"))), GOOD, False),
    "TextGrid on one line": (
        '"ooTextFile" "TextGrid" 0s 9s <exists> 1 ! a comment\n"IntervalTier" "words" 0 9 1 0.5 1 "so" ! end',
        [("so", 0.5, 1)], False,
    ),
    "TextGrid of two speakers": (
        short(("B - words", (1, 2, "well")), ("B - phones", (1, 2, "w")), ("A - words", (0, 1, "so"))),
        [("so", 0, 1), ("well", 1, 2)], False,
    ),
    "TextGrid without words": (short(("words", (0, 9, "")), header='"ooTextFile"\n"TextGrid"'), [], False),
    "TextGrid without tiers": ('"ooTextFile"\n"TextGrid"\n0\n1\n<absent>\n', [], False),
    "srt": (SRT, [("So", 1, 1 + 2 * 2 / 6), ("good!", 1 + 2 * 2 / 6, 3), ("Really?", 60.5, 61.5)], True),
    "srt without blank lines": (SRT.replace("\n\n", "\n").replace("So", "80"), [
        ("80", 1, 1 + 2 * 2 / 6), ("good!", 1 + 2 * 2 / 6, 3), ("Really?", 60.5, 61.5)], True),
    "srt, a word in a cue": ("1\n00:00:00,0 --> 00:00:00,25\nso\n\n2\n00:00:00,5 --> 00:00:01\ngood", GOOD, False),
    "vtt": (VTT, [("Tom", 1, 2.2), ("&", 2.2, 2.6), ("I", 2.6, 3),
                  ("NOTE", 3600, 3600.5), ("this", 3600.5, 3601)], True),
    "vtt, times of words": (STAMPS, [("so", 1, 1.5), ("very", 1.5, 2), ("good", 2, 4)], False),
    "vtt, times of syllables": (
        STAMPS.replace("<c> very</c>", "<c>me</c>"), [("some", 1, 2), ("good", 2, 4)], False),
    "rolling vtt": (ROLLING, [("hello", 0, 0.5), ("there", 0.5, 2.5), ("welcome", 2.51, 3), ("back", 3, 5)], False),
    "rolling captions": (re.sub(r"<[^>]*>", "", ROLLING), [
        ("hello", 0, 1.25), ("there", 1.25, 2.5), ("welcome", 2.51, 2.51 + 2.49 * 7 / 11),
        ("back", 2.51 + 2.49 * 7 / 11, 5)], True),
    "the same said twice": ("1\n00:00:00,0 --> 00:00:01,0\nno\n\n2\n00:00:01,0 --> 00:00:02,0\nno",
                            [("no", 0, 1), ("no", 1, 2)], False),
    "vtt, words underlined": (UNDERLINED, [("So", 0, 0.5), ("good,", 0.7, 1), ("it", 1, 1.2)], False),
    "vtt of nothing": ("WEBVTT", [], False),
    "csv": ("word,start,end\nso,0,0.25\nsil,0.25,0.5\n good,0.5,1.0\n", GOOD, False),
    "csv with a mark": ("\ufeffToken;Begin;End;Confidence\nso;0;0,25;0,9\ngood;0,5;1,0;0,8\n", GOOD, False),
    "csv with clocks": ("text\tstart_time\tduration\nso\t0:00:00.0\t0.25\ngood\t00:00.5\t0.5\n", GOOD, False),
    "csv with quotes": ('start,end,text\n0.5,1,"a, b"\n', [("a,", 0.5, 0.75), ("b", 0.75, 1)], True),
    "csv with a gap": ("word,start,end\nso,0,0.25\ngood,,\nday,0.75,1\n",
                       [("so", 0, 0.25), ("good", 0.25, 0.75), ("day", 0.75, 1)], True),
    "csv without an order": ("word,start,end\ngood,0.5,1\nso,0,0.25\n", GOOD, False),
    "csv of Montreal": (
        "Begin,End,Label,Type,Speaker\n0,0.25,so,words,A\n0.5,1,good,words,A\n0,0.1,s,phones,A\n", GOOD, False),
    "csv of Whisper": ('start\tend\ttext\n0\t1000\t"So good\n2000\t3000\tyes\n', [
        ('"So', 0, 1 / 3), ("good", 1 / 3, 1), ("yes", 2, 3)], True),
    "csv in seconds": ("start,end,text\n0,1,so\n1,2,good\n", [("so", 0, 1), ("good", 1, 2)], False),
    "csv of nothing": ("word,start,end\n", [], False),
    "whisper": (json.dumps(WHISPER), [("So", 0, 0.25), ("good.", 0.5, 1), ("It", 2, 2.5), ("is.", 2.5, 3)], True),
    "faster-whisper": (json.dumps(WHISPER["segments"][:1], indent=1), [("So", 0, 0.25), ("good.", 0.5, 1)], False),
    "whisperx": (json.dumps(WHISPERX), [
        ("12", 0.5, 1), ("of", 1, 1.5), ("3", 1.5, 2), ("b,", 2, 2.5), ("go", 2.5, 3), ("40", 3, 4)], True),
    "whisper-timestamped": (json.dumps({"segments": [{"start": 0, "end": 1, "text": "so", "words": [
        {"text": "so", "start": 0.5, "end": 1, "confidence": 0.9}]}]}), [("so", 0.5, 1)], False),
    "whisper.cpp": (json.dumps(CPP), [("fantastic", 0.6, 0.9), ("one.", 0.9, 1.45), ("yes", 2, 3)], False),
    "whisper.cpp in Japanese": (json.dumps({"transcription": [{"offsets": {"from": 0, "to": 900}, "text": "\u30c6\u306f", "tokens": [
        token("\u30c6", 0, 500), token("\u306f", 500, 900)]}]}), [("\u30c6", 0, 0.5), ("\u306f", 0.5, 0.9)], False),
    "OpenAI's service": (json.dumps({"segments": [{"start": 0, "end": 1, "text": "So good."}],
                                     "words": [word("so", 0, 0.25), word("good", 0.5, 1)]}), GOOD, False),
    "transformers": (json.dumps({"text": " so good", "chunks": [
        {"text": " so", "timestamp": [0.0, 0.25]}, {"text": " good", "timestamp": [0.5, None]}]}),
        [("so", 0, 0.25), ("good", 0.5, 0.5)], True),
    "gentle": (json.dumps({"transcript": "Oh so good", "words": [
        {"case": "not-found-in-audio", "word": "Oh"}, word("so", 0, 0.25, case="success"), word("good", 0.5, 1)]}),
        [("Oh", 0, 0), *GOOD], True),
    "Montreal's json": (json.dumps(MFA), [("so", 0, 0.5), ("well", 1, 2), ("good", 2.5, 3)], False),
    "nothing said": ('{"text": "", "segments": [], "language": "en"}', [], False),
    "half a character": ('[{"word": "a\\ud800", "start": 0, "end": 1}]', [("a?", 0, 1)], False),
}  # fmt: skip

NONE = {
    "nothing": "", "prose": "It was so good.\nTom, Mary\n", "features": "start,end,F0\n0,1,120\n",
    "features of words": "word,start,end,F0\nso,0,1,120\n", "no ends": "word,start\nso,0\n",
    "samples": "id,text,start,end,sentiment\na,so good,0,1,0.5\n", "samples of videos": "video_id,text,start,end\na,so,0,1\n",
    "other json": '{"mean": [0, 1]}', "json of texts": '{"text": "so good"}', "a list of texts": '{"words": ["so", "good"]}',
    "texts": '[{"text": "so good"}]', "segments by name": '{"segments": {"a": 1}}', "a text": '"words"',
    "an arrow": "a --> b\n", "a Praat sound": 'File type = "ooTextFile"\nObject class = "Sound 2"\n',
}  # fmt: skip

WRONG = {
    "a label without an end": (
        short(("words", (0, 1, "so"))).rstrip()[:-1],
        ", line 15: a text in quotes has no end",
    ),
    "too few intervals": (
        short(("words", (0, 1, "so"))).replace("\n1\n0\n1", "\n2\n0\n1"),
        ", line 15: the file ends within tier 'words'",
    ),
    "half an interval": (
        short(("words", (0, "<x>", "so"))),
        ", line 14: expected a time (tier 'words'), got '<x>'",
    ),
    "half a count": (
        short(("words", (0, 1, "so"))).replace("<exists>\n1", "<exists>\n1.5"),
        ", line 7: expected a count (the number of tiers), got 1.5",
    ),
    "no flag": (
        short(("words", (0, 1, "so"))).replace("<exists>", "?"),
        ", line 7: expected <exists>, got '1'",
    ),
    "no label": (
        short(("words", (0, 1, "so"))).replace('"so"', "so") + "4",
        ", line 16: expected a text in quotes (tier 'words'), got '4'",
    ),
    "another class": (
        short(("words", (0, 1, "so"))).replace("IntervalTier", "Sound"),
        ", line 9: expected an IntervalTier or a TextTier, got 'Sound'",
    ),
    "an interval that ends before it starts": (
        short(("words", (0, 1, "so"), (2, 1.5, "good"))),
        ", line 16: 'good' ends at 1.5 s, before its start at 2 s",
    ),
    "phones alone": (
        short(("phones", (0, 1, "s")), ("MAU", (0, 1, "s"))),
        ": no tier of words; expected one named 'words', got 'phones', 'MAU'",
    ),
    "points alone": (
        short(("words",)).replace("IntervalTier", "TextTier"),
        ": no tier of words; expected one named 'words', got none",
    ),
    "a binary TextGrid": (
        b"ooBinaryFile\x08TextGrid\x00\x00\xff",
        ": a binary or chronological TextGrid; save it in Praat as a text file",
    ),
    "a chronological TextGrid": (
        '"Praat chronological TextGrid text file"\n0 2.3   ! Time domain.\n',
        ": a binary or chronological TextGrid; save it in Praat as a text file",
    ),
    "a cue that ends before it starts": (
        "1\n00:00:02,000 --> 00:00:01,000\nso\n",
        ", line 2: the cue ends at 1 s, before its start at 2 s",
    ),
    "a cue with half a time": (
        VTT.replace("01:00:00.000 -->", "01:0x:00.000 -->"),
        ", line 15: expected times as in 00:00:01.000 --> 00:00:02.500, got '01:0x:00.000 --> 01:00:01.000'",
    ),
    "words that leave their cue": (
        STAMPS.replace("<00:02.000>", "<00:05.000>"),
        ", line 3: the times within the cue do not ascend or leave it",
    ),
    "a row too short": ("word,start,end\nso,0,1\ngood,1\n", ", line 3: 2 cells for 3 columns"),
    "a quote without an end": (
        'word,start,end\nso,0,1\n"good,1,2\n',
        ", line 3: not a whole table (unexpected end of data)",
    ),
    "a time that is none": (
        "word,start,end\nso,0,soon\n",
        ", line 2: expected a time in seconds, got 'soon'",
    ),
    "an endless time": ("word,start,end\nso,0,inf\n", ", line 2: expected a time in seconds, got 'inf'"),
    "a word that ends before it starts": (
        "word,start,end\nso,1,0.5\n",
        ", line 2: 'so' ends at 0.5 s, before its start at 1 s",
    ),
    "no times at all": ("word,start,end\nso,,\ngood,,\n", ", line 2: 'so' has no times"),
    "two columns of one name": (
        "word,start,end,Start\nso,0,1,0\n",
        ": two columns are named 'start'; rename one",
    ),
    "milliseconds": (
        "word,start,end\nso,0,250\nvery,250,500\ngood,500,1000\n",
        ": half of the words last 250 s or more; times must be in seconds",
    ),
    "half of a json": ('{"text": "so",\n"segments": [', ", line 2: not whole JSON (Expecting value)"),
    "a word that is none": (
        '[{"word": "so", "start": 0, "end": 1}, 3]',
        ", segment 2: expected a text with times, got '3'",
    ),
    "a word without a text": (
        '{"segments": [{"start": 0, "end": 1, "text": "so", "words": '
        '[{"word": "so", "start": 0, "end": 1}, {"start": 0}]}]}',
        ", segment 1, word 2: expected a text under 'word' or 'text' or 'token'",
    ),
    "a json time that is none": (
        '[{"word": "so", "start": true, "end": 1}]',
        ", segment 1: expected a time in seconds, got 'True'",
    ),
    "a json word that ends before it starts": (
        '{"words": [{"word": "so", "start": 1, "end": 0.5}]}',
        ", word 1: 'so' ends at 0.5 s, before its start at 1 s",
    ),
    "half of an entry": (
        '{"tiers": {"words": {"type": "interval", "entries": [[0, 1, "so"], [1, 2]]}}}',
        ", tier 'words', entry 2: expected start, end and text, got a list",
    ),
    "a json without a bottom": (
        '{"segments": ' + "[" * 100_000,
        ": not a transcript: its JSON is nested too deeply",
    ),
    "latin-1": (
        "word,start,end\ngüt,0,1\n".encode("latin-1"),
        ": the transcript is in neither UTF-8 nor UTF-16; save it as UTF-8",
    ),
    "UTF-16 without a mark": (
        SRT.encode("utf-16-le"),
        ": the transcript is in neither UTF-8 nor UTF-16; save it as UTF-8",
    ),
    "half of UTF-16": (
        LONG.encode("utf-16")[:-1],
        ": the transcript is in neither UTF-8 nor UTF-16; save it as UTF-8",
    ),
}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "a"


def write(file, content):
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def agrees(found, words, approximate):
    assert found.words == tuple(text for text, _, _ in words)
    assert found.times.shape == (len(words), 2)
    np.testing.assert_allclose(found.times, [times for _, *times in words] or found.times, atol=1e-12)
    assert found.approximate is approximate


@pytest.mark.parametrize("name", CASES)
def test_words_and_times_are_those_of_the_file(name, file):
    content, words, approximate = CASES[name]
    agrees(transcripts.read(write(file, content)), words, approximate)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("name", CASES)
def test_encodings_and_ends_of_lines_do_not_matter(name, encoding, file):
    content, words, approximate = CASES[name]
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    raw = (mark + content.lstrip("\ufeff")).replace("\n", "\r\n").encode(encoding)
    agrees(transcripts.read(write(file, raw)), words, approximate)


@pytest.mark.parametrize("name", NONE)
def test_what_is_no_transcript_is_none(name, file):
    assert transcripts.read(write(file, NONE[name])) is None


def test_a_folder_is_none(tmp_path):
    assert transcripts.read(tmp_path) is None


@pytest.mark.parametrize("name", WRONG)
def test_damage_is_told_in_one_line(name, file):
    content, message = WRONG[name]
    with pytest.raises(DataError) as error:
        transcripts.read(write(file, content))
    assert str(error.value) == f"{file}{message}"


def test_a_number_too_long_is_refused(file):
    with pytest.raises(DataError, match="not JSON that can be read .Exceeds the limit"):
        transcripts.read(write(file, '{"words": [{"word": "so", "start": ' + "9" * 5000 + "}]}"))


def test_large_files_are_refused_before_they_are_read(file):
    with file.open("wb") as opened:
        opened.write(b"word,start,end\nso,0,1\n")
        opened.truncate(40_000_000)
    with pytest.raises(DataError) as error:
        transcripts.read(file)
    assert str(error.value) == (f"{file}: 40 MB are no transcript of one sample; expected at most 32 MB")


def test_the_tier_of_words_is_chosen():
    """A name first, then the speakers' names, then the most labels; phones never."""

    def chosen(*names):
        tiers = [transcripts.tiers.Tier(name, ["x"] * i) for i, name in enumerate(names, 1)]
        pieces, said = transcripts.tiers.words(tiers, "a")
        return len(pieces), said

    assert chosen("phones", "Words", "syllables") == (2, ())
    assert chosen("word", "notes") == (1, ())
    assert chosen("ORT-MAU", "KAN-MAU", "MAU") == (1, ())
    assert chosen("A - words", "A - phones", "B - words") == (4, ())
    assert chosen("utterances", "Mary", "phonemes") == (
        2,
        ("tier 'Mary' of 3 was read, as none is named words",),
    )
    assert chosen("Mary") == (1, ("tier 'Mary' was read, as none is named words",))
    assert chosen("words", "words") == (1, ("the first of 2 tiers 'words' was read",))


def test_notes_count_how_transcripts_were_read(tmp_path):
    """Two with cues, three with something chosen or repaired."""
    names = ["srt", "rolling captions", "rolling vtt", "csv without an order", "csv in seconds"]
    found = [transcripts.read(write(tmp_path / name, CASES[name][0])) for name in names]
    assert transcripts.notes(found) == (
        "words: the times of 2 of 5 transcripts are those of whole cues, segments or gaps, spread over their words by letters.",
        "words: in 2 of 5 transcripts lines that rolling captions repeat were left out.",
        "words: in 1 of 5 transcripts words were put in the order of their starts.",
    )
    assert transcripts.notes(found[-1:]) == ()
    milliseconds = transcripts.read(write(tmp_path / "a", CASES["csv of Whisper"][0]))
    assert transcripts.notes([milliseconds])[1] == (
        "words: in 1 of 1 transcripts times were milliseconds, as Whisper writes them into such tables."
    )
    speakers = [
        transcripts.read(write(tmp_path / "a", short((f"speaker {i}", (0, 1, "so"))))) for i in range(9)
    ]
    assert transcripts.notes(speakers, "captions")[5:] == (
        "captions: in 1 of 9 transcripts tier 'speaker 5' was read, as none is named words.",
        "captions: 3 more notes on how transcripts were read are left out.",
    )


def test_hostile_files_end_in_words_or_in_one_line(file):
    """500 mutations of every format: bytes lost, doubled, exchanged, or numbers that grow."""
    rng = random.Random(0)
    sources = [content.encode() for content, _, _ in CASES.values() if content] + [
        LONG.encode("utf-16"),
        json.dumps(WHISPER).encode("utf-16"),
    ]
    refused = []
    for i in range(500):
        raw = bytearray(sources[i % len(sources)])
        for _ in range(rng.choice((1, 1, 2, 5))):
            at, length = rng.randrange(len(raw)), rng.choice((1, 2, 8, 40))
            kind = rng.randrange(5)
            if kind == 0:
                del raw[at : at + length]
            elif kind == 1:
                raw[at:at] = raw[at : at + length] * rng.choice((1, 3))
            elif kind == 2:
                raw[at] = rng.randrange(256)
            elif kind == 3:
                raw[at:at] = rng.choice(
                    (b"9" * 30, b"-", b"1e999", b"nan", b'"', b"<", b"-->", b"\n\n", b"[[", b"\0", b"\xff")
                )
            else:
                del raw[at:]
            raw = raw or bytearray(b"{")
        try:
            found = transcripts.read(write(file, bytes(raw)))
        except DataError as error:
            refused.append(str(error))
            continue
        if found is not None:
            assert found.times.shape == (len(found.words), 2)
            assert np.isfinite(found.times).all()
            assert (found.times[:, 1] >= found.times[:, 0]).all()
            assert (np.diff(found.times[:, 0]) >= 0).all()
            assert all(one and not re.search(r"\s", one) for one in found.words)
            "".join(found.words).encode()
    assert all(one.startswith(f"{file}") and "\n" not in one for one in refused)
    assert 100 < len(refused) < 450


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            'File type = "ooTextFile"\nObject class = "TextGrid"\n\n' + "1" * 100_000 + "x\n",
            ", line 4: the file ends within the times of the grid",
        ),
        (
            "word,start,end," + ",".join(f"c{i}" for i in range(100_000)) + "\nso,0,1\n",
            ", line 2: 3 cells for 100003 columns",
        ),
        ("WEBVTT\n\n0:00.0 --> 9:00.0\n" + "<0:00>a" * 100_000, None),
        ("WEBVTT\n\n0:00.0 --> 9:00.0\n&#" + "1" * 5000, None),
    ],
    ids=["digits", "columns", "parts", "character"],
)
def test_none_takes_long(content, message, file):
    begun = time.perf_counter()
    if message is None:
        assert len(transcripts.read(write(file, content)).words) == 1
    else:
        with pytest.raises(DataError) as error:
            transcripts.read(write(file, content))
        assert str(error.value) == f"{file}{message}"
    assert time.perf_counter() - begun < 5

"""Files whose bytes were changed: each ends in sound, pictures or one line, within bounds of time and memory."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_clips import CODERS, clip

pytest.importorskip("av", reason='needs PyAV: pip install "affect[media]"')

CHILD = """
import json, resource, sys, time
from affect.errors import DataError
from affect.media import Recording
resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, 6 * 2**30))
for path in sys.argv[1:]:
    begun, said, got = time.process_time(), "", 0
    try:
        recording = Recording(path)
        for block in recording.audio(16_000) or ():
            got += len(block.samples)
        for frame in recording.frames(10) or ():
            got += frame.image.ndim > 0
    except DataError as error:
        said = str(error)
    peak = int(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0]) // 1024
    print(json.dumps([path, int(got), said, time.process_time() - begun, peak]), flush=True)
"""


def mutated(content, rng):
    """Bytes changed, cut, lost, doubled or set to an extreme, more often in the head."""
    stored = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        reach = len(stored) if rng.random() < 0.5 else min(len(stored), 4096)
        at, length = int(rng.integers(reach)), int(rng.integers(1, 40))
        match rng.integers(6):
            case 0:
                stored[at] ^= 1 << rng.integers(8)
            case 1:
                stored[at : at + length] = rng.bytes(length)
            case 2:
                stored[at : at + 4] = b"\xff\xff\xff\xff" if rng.random() < 0.5 else b"\x7f\xff\xff\xf0"
            case 3:
                del stored[at : at + length]
            case 4:
                stored[at:at] = stored[at : at + 50 * length]
            case 5:
                del stored[max(64, len(stored) - 10 * at - 1) :]
    return bytes(stored)


def read_damaged(folder, count):
    rng = np.random.default_rng(0)
    kinds = [*CODERS, "mp4"]
    sound = {
        kind: clip(folder / f"whole{i}.{kind}", seconds=1.2, fragments=i == len(CODERS))
        for i, kind in enumerate(kinds)
    }
    paths = []
    for i in range(count):
        kind = kinds[i % len(kinds)]
        paths.append(folder / f"{i}.{kind}")
        paths[-1].write_bytes(mutated(sound[kind].read_bytes(), rng))
    command = [sys.executable, "-c", CHILD, *map(str, sound.values()), *map(str, paths)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60 + 5 * count, check=False)
    assert ended.returncode == 0, ended.stderr
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(found) == len(sound) + count
    whole, damaged = found[: len(sound)], found[len(sound) :]
    assert [said for _, _, said, _, _ in whole] == [""] * len(sound)
    assert max(peak for *_, peak in damaged) < whole[-1][-1] + 150  # MB
    for path, got, said, seconds, _ in damaged:
        assert got or said, path
        assert "\n" not in said
        assert not said or said.startswith(path), said
        assert seconds < 5, path
    refused = sum(bool(said) for _, _, said, _, _ in damaged)
    assert 0.1 < refused / count < 0.9
    return damaged


def test_damaged_files_end_well(tmp_path):
    read_damaged(tmp_path, 40)


@pytest.mark.slow
def test_three_hundred_damaged_files_end_well(tmp_path):
    read_damaged(tmp_path, 300)


def test_memory_is_flat_in_length(tmp_path):
    paths = [
        clip(tmp_path / f"{seconds}.mkv", seconds=seconds, fps=5, size=(160, 120)) for seconds in (3, 30)
    ]
    ended = [
        subprocess.run([sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, check=True)
        for path in paths
    ]
    short, long = (json.loads(one.stdout)[-1] for one in ended)
    assert long < 1.05 * short
    assert Path(paths[1]).stat().st_size > 5 * Path(paths[0]).stat().st_size

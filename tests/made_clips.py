"""Recordings that tests make: a click and a flash one second after the stream of each begins."""

from fractions import Fraction

import numpy as np

CODERS = {
    "mp4": ("libx264", "aac"), "mov": ("libx264", "aac"), "mkv": ("libx264", "aac"), "webm": ("libvpx", "libopus"),
    "avi": ("mpeg4", "pcm_s16le"), "wav": (None, "pcm_s16le"), "mp3": (None, "libmp3lame"), "flac": (None, "flac"),
    "m4a": (None, "aac"),
}  # fmt: skip
NAMES = {"m4a": "ipod", "mkv": "matroska"}


def sound(rate, seconds, click=1.0):
    """A hum as soft as noise, and from second `click` on 50 ms of a loud tone."""
    time = np.arange(int(rate * seconds)) / rate
    loud = (time >= click) & (time < click + 0.05)
    return (0.001 * np.sin(2 * np.pi * 110 * time) + 0.5 * loud * np.sin(2 * np.pi * 1000 * time)).astype(
        np.float32
    )


def clip(
    path, *, rate=44_100, layout="mono", fps=25, seconds=2.0, sound_from=0.0, pictures_from=0.0, stamps=None,
    turned=0, audio=True, video=True, sound_first=False, size=(64, 48), without=None, samples=None, mirrored=False,
    fragments=False,
):  # fmt: skip
    """A file in the container that its name says.

    `stamps` are the pictures' own times in seconds; `without` is (from, to) in seconds, for which nothing of the
    sound is in the file; the upper left quarter of a picture is darker than the rest.
    """
    import av

    kind = path.suffix[1:]
    coders = CODERS[kind]
    rate = 48_000 if coders[1] == "libopus" else rate
    options = {"movflags": "frag_keyframe+delay_moov"} if fragments else {}
    frames, streams = [], {}
    with av.open(str(path), "w", format=NAMES.get(kind, kind), options=options) as file:
        kinds = ["audio", "video"] if sound_first else ["video", "audio"]
        for one in kinds:
            if one == "video" and video and coders[0]:
                quick = {"preset": "ultrafast", "bf": "2"} if coders[0] == "libx264" else {}
                streams[one] = file.add_stream(coders[0], rate=fps, options=quick)
                streams[one].width, streams[one].height, streams[one].pix_fmt = *size, "yuv420p"
                streams[one].codec_context.thread_count = 1
                if stamps is not None:
                    streams[one].codec_context.time_base = Fraction(1, 1000)
                if turned or mirrored:
                    streams[one].set_display_rotation(turned, hflip=mirrored)
            if one == "audio" and audio:
                streams[one] = file.add_stream(coders[1], rate=rate, layout=layout)
        if "audio" in streams:
            wave = sound(rate, seconds) if samples is None else samples
            coder = streams["audio"].codec_context
            change = av.AudioResampler(coder.format.name, layout, rate)
            channels = len(av.AudioLayout(layout).channels)
            for at in range(0, len(wave), 1024):
                if without is not None and without[0] <= at / rate < without[1]:
                    continue
                piece = np.repeat(wave[None, at : at + 1024], channels, 0)
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), format="fltp", layout=layout)
                frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
                frame.pts = round(sound_from * rate) + at
                frames += [(sound_from + at / rate, "audio", one) for one in change.resample(frame)]
        if "video" in streams:
            times = np.arange(round(seconds * fps)) / fps if stamps is None else stamps
            for time in times:
                frame = av.VideoFrame.from_ndarray(picture(time >= 1.0 - 1e-9, size), format="rgb24")
                frame.time_base = Fraction(1, fps) if stamps is None else Fraction(1, 1000)
                frame.pts = round((pictures_from + time) / frame.time_base)
                frames.append((pictures_from + time, "video", frame))
        frames.sort(key=lambda one: one[0])
        for _, one, frame in frames:
            for packet in streams[one].encode(frame):
                file.mux(packet)
        for stream in streams.values():
            for packet in stream.encode(None):
                file.mux(packet)
    return path


def picture(bright, size=(64, 48)):
    image = np.full((size[1], size[0], 3), 220 if bright else 60, np.uint8)
    image[: size[1] // 2, : size[0] // 2] -= 50
    return image


def click_of(media, rate=16_000):
    """The second at which the sound becomes loud."""
    for block in media.audio(rate):
        loud = np.flatnonzero(np.abs(block.samples) > 0.1)
        if loud.size:
            return block.start + loud[0] / rate
    return None


def flash_of(media, rate=None):
    """The second at which the pictures become bright."""
    return next((frame.start for frame in media.frames(rate) if frame.image.mean() > 130), None)

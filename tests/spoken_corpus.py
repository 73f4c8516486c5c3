"""Small files in MMSA's layout in which something is said, with token ids of a tokenizer."""

import pickle

import numpy as np

SAID = ["so good", "unbelievably bad film", "film", "so so bad", "good good good film so"]
SIZES = {"train": 10, "valid": 5, "test": 5}
TIME = 12


def content(tokenizer, aligned=True, seed=0):
    """What a pickle of MMSA's holds; the features of aligned ones stand at the steps of `text_bert`."""
    rng, found = np.random.default_rng(seed), {}
    for name, size in SIZES.items():
        texts = [SAID[(i + len(name)) % len(SAID)] for i in range(size)]
        ids = np.zeros((size, 3, TIME), np.float32)
        for row, text in enumerate(texts):
            own = tokenizer(text)["input_ids"]
            ids[row, 0, : len(own)], ids[row, 1, : len(own)] = own, 1
        part = {"id": np.array([f"{name}{i // 2}$_${i}" for i in range(size)]), "raw_text": np.array(texts)}
        for key, dim in (("text", 6), ("audio", 3), ("vision", 4)):
            time = TIME if aligned or key == "text" else TIME + dim
            inside = np.ones((size, time)) if time != TIME else ids[:, 1]
            part[key] = (rng.normal(size=(size, time, dim)) * inside[..., None]).astype("f4")
            if not aligned and key != "text":
                part[f"{key}_lengths"] = [time] * size
        labels = rng.uniform(-3, 3, size).astype("f4")
        found[name] = {**part, "text_bert": ids, "regression_labels": labels}
    return found


def write(path, made):
    """The pickle of what it holds."""
    path.write_bytes(pickle.dumps(made))
    return path

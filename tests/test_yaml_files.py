"""YAML of anybody: plain values, or one line."""

import pytest

from affect.yaml_files import LONGEST, parse_yaml, read_yaml

PLAIN = {
    "a: &x {b: 1}\nc: {<<: *x, d: 1.5}": {"a": {"b": 1}, "c": {"b": 1, "d": 1.5}},
    "\ufeffa: [yes, null, 'NA']": {"a": [True, None, "NA"]},
    "": None,
    "a: '2020-01-01'": {"a": "2020-01-01"},
    "1: a\n'1': b\n'<<': c\n<<: {d: e}": {1: "a", "1": "b", "<<": "c", "d": "e"},
}
NINE = ["[" + ",".join([f"*{name}"] * 9) + "]" for name in "abcdefgh"]
OTHER = (
    "expected a text, a number, true, false, null, a list or keys, got {}; a text that looks like something "
)
OTHER += "else stands in quotes"
REFUSED = {
    "seeds: [0]\nepochs: 1\nseeds: [1]": "line 3: 'seeds' stands here and above; keep one of them",
    "a: {b: 1, c: {d: 1, d: 2}}": "line 1: 'd' stands here and above; keep one of them",
    "1: a\n0x1: b": "line 2: '0x1' stands here, and in line 1 '1', the same key; keep one of them",
    "yes: a\nb: 1\ntrue: c": "line 3: 'true' stands here, and in line 1 'yes', the same key; keep one of them",
    "a: {true: b,\n 1.0: c}": "line 2: '1.0' stands here, and in line 1 'true', the same key; keep one of them",
    "<<: {a: 1}\n<<: {b: 1}": "line 2: '<<' stands here and above; keep one of them",
    "a: !!python/object/apply:os.system [id]": f"line 1: {OTHER.format('!!python/object/apply:os.system')}",
    "\n\na: 2020-01-01": f"line 3: {OTHER.format('!!timestamp')}",
    "a: " + "9" * 5000: "line 1: a number of 5,000 characters; at most 100 are",
    "&a [*a]": "line 1: holds itself",
    "a: &a {b: {c: *a}}": "line 1: holds itself",
    "\n".join(["a: &a [x]", *(f"{b}: &{b} {n}" for b, n in zip("bcdefghi", NINE, strict=True))]): (
        "line 6: more than 100,000 values"
    ),
    "\n".join(["a: &a {x: 1}", *(f"{b}: &{b} {{<<: {n}}}" for b, n in zip("bcdefghi", NINE, strict=True))]): (
        "line 6: more than 100,000 values"
    ),
    "\n".join(["a0: &a0 x", *(f"a{i + 1}: &a{i + 1} [*a{i}]" for i in range(200))]): (
        "line 101: more than 100 values in each other"
    ),
    "- " * 5_000: "line 1: more than 100 values in each other",
    "[" * 20_000: "values are too deep in each other",
    "a: !!int x": "invalid literal for int() with base 10: 'x'",
    "x" * (LONGEST + 1): "expected at most 1,000,000 bytes",
}


@pytest.mark.parametrize("text", PLAIN)
def test_plain_values(text, tmp_path):
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    assert read_yaml(tmp_path / "a.yaml") == parse_yaml(text.encode()) == PLAIN[text]


@pytest.mark.parametrize("text", REFUSED, ids=[text[:20] for text in REFUSED])
def test_what_is_more_than_it_looks_is_one_line(text):
    with pytest.raises(ValueError, match=".") as caught:
        parse_yaml(text.encode())
    assert str(caught.value) == REFUSED[text]


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"a\0b", b"a: !!bool x", b"? [a]\n: b", b"--- 1\n--- 2", b"!!map [a]"]
)
def test_other_faults_are_value_errors_of_one_line(content):
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        parse_yaml(content)

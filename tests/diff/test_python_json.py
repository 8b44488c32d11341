#!/usr/bin/env python3
"""JSON as Python's json module reads it, on seeded random data.

  values     every kind of value, untouched and with every scalar assigned anew, at every depth
  texts      valid and broken texts: what is accepted, as jsonl, as a value to wrap and as a document
  floats     random doubles, and decimals at the edge between two: read and written as Python does
  integers   around the ends of int64, and far beyond

Python is read strictly, as RFC 8259 has it; where it is lax by itself, a row of docs/fidelity.md says what
tidemill does instead. TIDEMILL_LONG=1: a million values and more. SEED=N: other data.
"""
import decimal
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

TIDEMILL = os.environ["TIDEMILL"]
LONG = bool(os.environ.get("TIDEMILL_LONG"))
SEED = int(os.environ.get("SEED", "1"))
VALUES = 1200000 if LONG else 30000
TEXTS = 1000000 if LONG else 20000
DOCUMENTS = 3000 if LONG else 60
FLOATS = 3000000 if LONG else 30000
INTEGERS = 300000 if LONG else 10000
REBUILD = ("local nested = {array = true, object = true} "
           "local function walk(t) for k, v in pairs(t) do "
           "if nested[getmetatable(v)] then walk(v) else t[k] = v end end end walk(r)")

# ---- making values ----

CHARACTERS = ["a", "é", "Ω", "東", "🌊", '"', "\\", "/", "\b", "\f", "\n", "\r", "\t", "\0", "\x1f", "\x7f", "\u2028",
              "\ufffd", "\uffff", "\U0010ffff", " ", "{", "]", ",", ":"]


def string_of(random_, text):
    """A literal for a text, in one of its many spellings."""
    out = ['"']
    for c in text:
        style = random_.randrange(6)
        if style == 0 or ord(c) < 0x20 and style > 1:
            units = c.encode("utf-16-be", "surrogatepass")
            digits = [units[i:i + 2].hex() for i in range(0, len(units), 2)]
            out += ["\\u" + (d.upper() if random_.random() < 0.5 else d) for d in digits]
        elif c in '"\\' or ord(c) < 0x20:
            out.append(json.dumps(c)[1:-1])
        elif c == "/" and style == 1:
            out.append("\\/")
        else:
            out.append(c)
    return "".join(out) + '"'


def number_of(random_):
    digits = str(random_.getrandbits(random_.choice([3, 20, 53, 63, 64, 80, 200])))
    kind = random_.randrange(8)
    sign = random_.choice(["", "", "-"])
    if kind < 3:
        return sign + digits
    fraction = "." + "".join(random_.choice("0123456789") for _ in range(random_.choice([1, 2, 5, 17, 40])))
    exponent = random_.choice("eE") + random_.choice(["", "+", "-"]) + str(random_.choice([0, 1, 5, 22, 300, 330, 5000]))
    return sign + digits + (fraction if kind != 3 else "") + (exponent if kind > 5 or kind == 3 else "")


def value_of(random_, depth, count):
    kind = random_.randrange(10 if depth < 6 else 7)
    count[0] += 1
    if kind < 3:
        return string_of(random_, "".join(random_.choices(CHARACTERS, k=random_.choice([0, 1, 3, 9, 40]))))
    if kind < 6:
        return number_of(random_)
    if kind == 6:
        return random_.choice(["true", "false", "null"])
    space = random_.choice(["", "", "", " ", "\t"])
    inside = [value_of(random_, depth + 1, count) for _ in range(random_.randrange(5))]
    if kind == 7:
        return "[" + space + ("," + space).join(inside) + "]"
    return object_of(random_, inside, space)


def object_of(random_, values, space):
    keys = random_.sample(["a", "b", "key", "", "é", "x y", '"', "🌊", "\n", "a.b"], len(values))
    fields = [string_of(random_, k) + random_.choice([":", " : "]) + v for k, v in zip(keys, values)]
    return "{" + space + ("," + space).join(fields) + space + "}"


# ---- reading values strictly ----

class Refused(ValueError):
    pass


def refuse(what):
    raise Refused(what)


def unique(pairs):
    """Duplicate keys are an error (fidelity: json-duplicate)."""
    if len(dict(pairs)) != len(pairs):
        refuse("duplicate key")
    return dict(pairs)


def no_surrogates(value):
    """So are lone surrogates (fidelity: json-lone-high)."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, dict):
        for k, v in value.items():
            no_surrogates(k)
            no_surrogates(v)
    elif isinstance(value, list):
        for v in value:
            no_surrogates(v)


def strictly(data):
    """The value of a text, or ValueError. NaN and Infinity are no numbers (fidelity: json-nan)."""
    value = json.loads(data.decode(), parse_constant=refuse, object_pairs_hook=unique, parse_int=Number, parse_float=Number)
    no_surrogates(value)
    return value


class Number(str):
    """A number by its text."""


def same_number(a, b):
    """Integers by their digits, others as floats; -0 is a float (fidelity: number-minus-zero)."""
    if a == b:
        return True
    whole = all(c in "-0123456789" for c in a + b)
    return not whole and float(a) == float(b) and a.startswith("-") == b.startswith("-")


def same(a, b):
    if isinstance(a, Number) and isinstance(b, Number):
        return same_number(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


# ---- running ----

def tidemill(path, code, *args):
    command = [TIDEMILL, "each", "-q", "-w", "2", *args, code, str(path)]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout


def expect(condition, *what):
    if not condition:
        sys.exit("not as in Python: " + " ".join(map(repr, what)))


def test_values(folder, random_):
    path, count, lines = folder / "values.jsonl", [0], []
    while count[0] < VALUES:
        values = [value_of(random_, 1, count) for _ in range(random_.randrange(1, 6))]
        lines.append(object_of(random_, values, random_.choice(["", " "])).encode())
    path.write_bytes(b"\n".join(lines) + b"\n")
    expect(tidemill(path, "return r").split(b"\n")[:-1] == lines, "untouched values are not the same bytes")
    for code, also in (REBUILD, []), ("return tidemill.copy(r)", []), (REBUILD, ["-t", "json"]):
        out = tidemill(path, code, *also)
        seen = strictly(out) if also else map(strictly, out.split(b"\n")[:-1])
        for line, value in zip(lines, seen, strict=True):
            expect(same(strictly(line), value), line, value)
    return f"{count[0]} values"


def broken(random_, data):
    """The text with a few bytes lost, doubled, changed or put in."""
    data = bytearray(data)
    for _ in range(random_.choice([1, 1, 1, 2, 3])):
        at = random_.randrange(len(data) + 1)
        kind = random_.randrange(5)
        if kind == 0:
            del data[at:at + 1]
        elif kind == 1:
            data[at:at] = data[at:at + 1]
        elif kind == 2:
            data[at:at + 1] = bytes([random_.randrange(256)])
        elif kind == 3:
            data[at:at] = random_.choice([b'"', b"\\", b",", b":", b"{", b"}", b"[", b"]", b"0", b"-", b".", b"e", b"\\u", b"\0",
                                          b"\\ud83d", b"\\ude00", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xff",
                                          b"NaN", b"Infinity", b"true", b"nul", b"\x0c", b"\xc2\xa0", b"//", b"'", b"+", b"01"])
        else:
            data = data[:at]
    return bytes(data).replace(b"\n", b" ")


def test_texts(folder, random_):
    """Accepted by one, accepted by the other."""
    path, texts = folder / "texts.jsonl", []
    while len(texts) < TEXTS:
        value = value_of(random_, random_.choice([0, 2, 4, 5]), [0])
        text = (value if random_.random() < 0.2 else object_of(random_, [value], "")).encode()
        text = broken(random_, text) if random_.random() < 0.85 else text
        if text.strip(b" \t\r\n") and not text.startswith(b"\xef\xbb\xbf"):
            texts.append(text)
    path.write_bytes(b"\n".join(texts) + b"\n")
    kinds = []
    for text in texts:
        try:
            kinds.append(type(strictly(text)))
        except ValueError:
            kinds.append(None)
    for option, wanted in ("input.wrap=", lambda kind: kind is dict), ("input.wrap=v", lambda kind: kind is not None):
        out = tidemill(path, "return {n = ctx.index}", "--set", "errors.policy=skip", "--set", option)
        seen = {json.loads(line)["n"] for line in out.split(b"\n")[:-1]}
        for n, (text, kind) in enumerate(zip(texts, kinds), 1):
            expect(wanted(kind) == (n in seen), option, text, "accepted by", "tidemill" if n in seen else "Python")
    accepted = sum(kind is not None for kind in kinds)
    return f"{len(texts)} texts, {accepted} of them valid; {test_documents(folder, random_, texts, kinds)}"


def test_documents(folder, random_, texts, kinds):
    """The same texts as elements of documents, and documents that are broken."""
    valid = [text for text, kind in zip(texts, kinds) if kind is dict]
    for i in range(DOCUMENTS):
        some = random_.sample(valid, random_.randrange(min(8, len(valid))))
        document = b"[" + random_.choice([b",", b" ,\n", b",\r\n\t"]).join(some) + b"]" + random_.choice([b"", b"\n"])
        if i % 3:
            document = broken(random_, document)
        path = folder / f"{i}.json"
        path.write_bytes(document)
        command = [TIDEMILL, "each", "-q", "-t", "jsonl", "--set", "chunk=64B", "return r", str(path)]
        run = subprocess.run(command, capture_output=True, check=False)
        try:
            wanted = strictly(document)
            good = isinstance(wanted, list) and all(isinstance(value, dict) for value in wanted)
        except ValueError:
            # A file that is all white space has no records; a BOM is dropped (fidelity: file-bom-json).
            good = document.startswith(b"\xef\xbb\xbf") or None
        if good:
            seen = [strictly(line) for line in run.stdout.split(b"\n")[:-1]]
            expect(run.returncode == 0 and same(wanted, seen), document, run.stdout, run.stderr)
        else:
            expect(run.returncode == 1, document, "is accepted:", run.stdout)
        path.unlink()
    return f"{DOCUMENTS} documents"


def with_duplicates(random_, depth):
    """An object that has names twice or more, spelt in different ways, and others inside."""
    fields = []
    for _ in range(random_.randrange(7)):
        inside = with_duplicates(random_, depth + 1) if depth < 3 and random_.random() < 0.3 else value_of(random_, 6, [0])
        inside = f"[{inside}, {inside}]" if random_.random() < 0.1 else inside
        fields.append(string_of(random_, random_.choice(["a", "b", "a_2", "é", ""])) + random_.choice([":", " : "]) + inside)
    return "{" + random_.choice([",", " , "]).join(fields) + "}"


def numbered(pairs):
    """Names as input.duplicates: number gives them (fidelity: json-duplicate-number-taken)."""
    names = {name for name, _ in pairs}
    out, numbers = {}, {}
    for name, value in pairs:
        if name in out:
            number = numbers.get(name, 2)
            while f"{name}_{number}" in names:
                number += 1
            numbers[name] = number + 1
            name = f"{name}_{number}"
        out[name] = value
    return out


def test_duplicates(folder, random_):
    path, n = folder / "duplicates.jsonl", TEXTS // 10
    texts = [with_duplicates(random_, 1) for _ in range(n)]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    for option, hook in ("last", dict), ("number", numbered):
        for code in "return r", REBUILD:
            lines = tidemill(path, code, "--set", "input.duplicates=" + option).decode().split("\n")[:-1]
            for text, line in zip(texts, lines, strict=True):
                wanted = json.loads(text, object_pairs_hook=hook, parse_int=Number, parse_float=Number)
                expect(same(wanted, strictly(line.encode())), option, text, line)
    return f"{n} objects with duplicate keys"


def doubles(random_):
    yield from (0.0, 5e-324, 2.2250738585072014e-308, 2.225073858507201e-308, 1.7976931348623157e308, 1e22, 1e23, 0.1, 0.3, 2**53)
    while True:
        d = struct.unpack("<d", random_.randbytes(8))[0]
        if d == d and abs(d) != float("inf"):
            yield d
        # Few digits, many of them near a power of ten.
        yield random_.randrange(10**random_.randrange(1, 18)) / 10**random_.randrange(25)


def halfway(random_, d):
    """A decimal at, just above or just below the middle between a double and the next."""
    after = struct.unpack("<d", struct.pack("<q", struct.unpack("<q", struct.pack("<d", abs(d)))[0] + 1))[0]
    if after == float("inf") or abs(d) > 1e200 or 0 < abs(d) < 1e-200:
        return repr(d)
    with decimal.localcontext(prec=1200):
        middle = (decimal.Decimal(abs(d)) + decimal.Decimal(after)) / 2
        text = format(middle, "e").lower()
    mantissa, exponent = text.split("e")
    if "." in mantissa:
        mantissa += random_.choice(["", "00000001", "1"])
    return mantissa + "e" + exponent


def test_floats(folder, random_):
    path, texts = folder / "floats.jsonl", []
    source = doubles(random_)
    for i in range(FLOATS):
        d = next(source)
        texts.append(halfway(random_, d) if i % 10 == 0 else random_.choice([repr, "%.17g".__mod__, "%.16e".__mod__])(d))
    # What is an integer stays one; the point makes it a float.
    texts = [t if "." in t or "e" in t else t + ".0" for t in texts]
    path.write_text("".join('{"x":%s}\n' % t for t in texts), encoding="ascii")
    lines = tidemill(path, "r.x = r.x").split(b"\n")[:-1]
    expect(len(lines) == len(texts), len(lines), "floats")
    for text, line in zip(texts, lines):
        seen, wanted = line[5:-1].decode(), float(text)
        # The shortest form: as many digits as Python's, and the same ones.
        expect(float(seen) == wanted and digits_of(seen) == digits_of(repr(wanted)) and ("." in seen or "e" in seen),
               text, seen, wanted)
    return f"{len(texts)} floats"


def digits_of(text):
    return text.lower().split("e")[0].replace(".", "").replace("-", "").strip("0")


def test_integers(folder, random_):
    path, numbers = folder / "integers.jsonl", []
    for _ in range(INTEGERS):
        around = random_.choice([2**63, -2**63, 2**53, -2**53, 2**64, 0, 10**18, 10**19, 10**random_.randrange(60)])
        numbers.append(around + random_.randrange(-1000, 1000))
    path.write_text("".join('{"x":%d}\n' % n for n in numbers), encoding="ascii")
    code = "r.kind = math.type(r.x) or type(r.x) r.text = tostring(r.x) r.copy = r.x r.same = r.x == r.copy r.next = r.x + 1"
    for n, line in zip(numbers, tidemill(path, code).split(b"\n")[:-1], strict=True):
        value = json.loads(line)
        fits = -2**63 <= n < 2**63
        expect(value["x"] == value["copy"] == n and value["text"] == str(n) and value["same"], n, value)
        expect((value["kind"] == "integer") == fits, n, value)
        # Lua's integers wrap around (fidelity: number-integer-overflow).
        following = n + 1 if n + 1 < 2**63 else -2**63
        expect(value["next"] == (following if fits else float(n) + 1), n, value)
    return f"{len(numbers)} integers"


TESTS = (test_values, test_texts, test_duplicates, test_floats, test_integers)


def main():
    sys.set_int_max_str_digits(0)
    with tempfile.TemporaryDirectory(prefix="tidemill-json.") as name:
        folder = pathlib.Path(name)
        told = [test(folder, random.Random(SEED)) for test in TESTS]
    print("as in Python: " + "; ".join(told))


if __name__ == "__main__":
    main()

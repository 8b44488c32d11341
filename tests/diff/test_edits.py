#!/usr/bin/env python3
"""Scripts that change records at random, and the same done to Python's dicts and lists: every value, its place,
and the bytes of all that was not assigned must be the same.

A record carries what is to be done to it: assigning and deleting, at every depth, nested values assigned as
they are, as plain tables and from elsewhere in the record, table.insert, remove, sort and move, pairs that
assigns, deletes and adds on the way, on the record and on a copy of it; and what must be read in between.
TIDEMILL_LONG=1: a million steps. SEED=N: other data.
"""
import decimal
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import test_python_json as python_json  # noqa: E402

TIDEMILL = os.environ["TIDEMILL"]
LONG = bool(os.environ.get("TIDEMILL_LONG"))
SEED = int(os.environ.get("SEED", "1"))
STEPS = 1000000 if LONG else 20000
KEYS = ["a", "b", "key", "", "é", "x y", '"', "🌊", "\n", "a.b", "1", "ops2"]

SCRIPT = r"""
local encode = require("tidemill.json").encode
local function at(r, path)
  for _, step in ipairs(path) do r = r[step] end
  return r
end
local function value(how, v)
  if how == "plain" then return tidemill.table(v) end
  return v
end
local function same(a, b, what)
  if a ~= b then error(what .. ": " .. tostring(a) .. " and not " .. tostring(b)) end
end
local steps = {
  set = function(r, path, key, how, v) at(r, path)[key] = value(how, v) end,
  delete = function(r, path, key) at(r, path)[key] = nil end,
  append = function(r, path, how, v) table.insert(at(r, path), value(how, v)) end,
  insert = function(r, path, i, how, v) table.insert(at(r, path), i, value(how, v)) end,
  remove = function(r, path, i) table.remove(at(r, path), i) end,
  copy = function(r, path, key, from) at(r, path)[key] = at(r, from) end,
  move = function(r, path, f, e, t, to) table.move(at(r, path), f, e, t, at(r, to)) end,
  sort = function(r, path) table.sort(at(r, path), function(a, b) return type(a) < type(b) end) end,
  halve = function(r, path)
    local i, t = 0, at(r, path)
    for k in pairs(t) do
      i = i + 1
      if i % 2 == 1 then t[k] = nil end
    end
  end,
  double = function(r, path) local t = at(r, path) for k, v in pairs(t) do t[k .. "+"] = v end end,
  count = function(r, path)
    local t = at(r, path)
    for k, v in pairs(t) do if math.type(v) == "integer" then t[k] = v + 1 end end
  end,
  length = function(r, path, n, array)
    local t, seen = at(r, path), 0
    same(#t, n, "length")
    for _ in pairs(t) do seen = seen + 1 end
    same(seen, n, "fields by pairs")
    if array then
      for i in ipairs(t) do seen = seen + i * 0 + 1 end
      same(seen, 2 * n, "elements by ipairs")
      same(select("#", table.unpack(t)), n, "elements unpacked")
    end
  end,
  get = function(r, path, v) same(encode(at(r, path)), v, "value") end,
  text = function(r, path, key, v) same(tidemill.text(at(r, path), key), v, "text") end,
}
return function(r)
  local ops = r.ops
  for _, op in ipairs(ops) do
    if op[1] == "copied" then r = tidemill.copy(r) else steps[op[1]](r, table.unpack(op, 2)) end
  end
  r.ops = nil
  return r
end
"""

# ---- values with their bytes ----


class Value:
    """raw: its bytes as they came, None once it was assigned, or something in it. An object is a dict of
    [raw key, value] by name."""
    __slots__ = ("kind", "raw", "value")

    def __init__(self, kind, raw, value):
        self.kind, self.raw, self.value = kind, raw, value

    def children(self):
        if self.kind == "object":
            return [(k, v) for k, (_, v) in self.value.items()]
        return list(enumerate(self.value, 1)) if self.kind == "array" else []

    def all(self):
        yield self
        for _, v in self.children():
            yield from v.all()

    def copy(self):
        if self.kind == "object":
            return Value("object", self.raw, {k: [raw, v.copy()] for k, (raw, v) in self.value.items()})
        return Value(self.kind, self.raw, [v.copy() for v in self.value] if self.kind == "array" else self.value)

    def assigned(self):
        """As it is where it is assigned: a container is copied with its bytes, all else is written anew."""
        return self.copy() if self.kind in ("object", "array") else Value(self.kind, None, self.value)

    def moved(self):
        """As it is where table.move puts it: numbers keep their digits."""
        return self.copy() if self.kind == "number" else self.assigned()

    def plain(self):
        """As it is when it was a plain table."""
        if self.kind == "object":
            names = sorted(self.value, key=str.encode)
            return Value("object", None, {k: [None, self.value[k][1].plain()] for k in names})
        return Value(self.kind, None, [v.plain() for v in self.value] if self.kind == "array" else self.value)


TOKEN = re.compile(r'[ \t\r\n]*("(?:[^"\\]|\\.)*"|[-+.\w]+|[][{},:])')


def read(text, start=0):
    """The value that begins at `start`, and its end."""
    token = TOKEN.match(text, start)
    begin, end, first = token.start(1), token.end(), token[1]
    if first == "{":
        fields = {}
        token = TOKEN.match(text, end)
        while token[1] != "}":
            token = token if token[1] != "," else TOKEN.match(text, token.end())
            raw = token[1]
            value, end = read(text, TOKEN.match(text, token.end()).end())
            fields[json.loads(raw)] = [raw, value]
            token = TOKEN.match(text, end)
        return Value("object", text[begin:token.end()], fields), token.end()
    if first == "[":
        elements = []
        token = TOKEN.match(text, end)
        while token[1] != "]":
            value, end = read(text, end if token[1] != "," else token.end())
            elements.append(value)
            token = TOKEN.match(text, end)
        return Value("array", text[begin:token.end()], elements), token.end()
    if first[0] == '"':
        return Value("string", first, json.loads(first)), end
    return Value("literal" if first in ("true", "false", "null") else "number", first, first), end


def spelt_float(d):
    """docs/fidelity.md: number-shortest and number-notation."""
    if d == 0:
        return "-0.0" if str(d)[0] == "-" else "0.0"
    _, digits, exponent = decimal.Decimal(repr(abs(d))).as_tuple()
    digits = "".join(map(str, digits))
    exponent += len(digits) - len(digits.rstrip("0"))
    digits = digits.rstrip("0")
    first = exponent + len(digits) - 1
    if not -5 <= first < 16:
        out = digits[0] + ("." + digits[1:] if digits[1:] else "") + f"e{first}"
    elif first < 0:
        out = "0." + "0" * (-1 - first) + digits
    else:
        out = digits[:first + 1].ljust(first + 1, "0") + "." + (digits[first + 1:] or "0")
    return ("-" if d < 0 else "") + out


def number_kind(text):
    """Which kind of value a number is to Lua."""
    if re.fullmatch(r"-?\d+", text) and text != "-0":
        return "integer" if -2**63 <= int(text) < 2**63 else "wide"
    return "float" if abs(float(text)) != float("inf") else "wide"


def spelt(value):
    """How a scalar is written anew."""
    if value.kind == "string":
        return json.dumps(value.value, ensure_ascii=False)
    if value.kind == "number" and number_kind(value.value) == "float":
        return spelt_float(float(value.value))
    return value.value


def type_of(value):
    """Lua's type()."""
    if value.kind == "number":
        return "userdata" if number_kind(value.value) == "wide" else "number"
    return {"string": "string", "literal": "userdata" if value.value == "null" else "boolean"}.get(value.kind, "userdata")


def difference(want, seen, path="r"):
    """Where the output is not what it should be."""
    if want.raw is not None:
        return None if want.raw == seen.raw else (path, want.raw, seen.raw)
    if want.kind != seen.kind:
        return path, want.kind, seen.kind
    if want.kind not in ("object", "array"):
        return None if spelt(want) == seen.raw else (path, spelt(want), seen.raw)
    if [k for k, _ in want.children()] != [k for k, _ in seen.children()]:
        return path, [k for k, _ in want.children()], [k for k, _ in seen.children()]
    if want.kind == "object":
        for k, (raw, _) in want.value.items():
            raw = json.dumps(k, ensure_ascii=False) if raw is None else raw
            if raw != seen.value[k][0]:
                return f"{path}, name", raw, seen.value[k][0]
    for (k, a), (_, b) in zip(want.children(), seen.children()):
        found = difference(a, b, f"{path}[{k!r}]")
        if found:
            return found
    return None


# ---- what is done ----

class Editor:
    """Makes steps, and does to `root` what they do."""

    def __init__(self, random_, root):
        self.random, self.root, self.steps = random_, root, []

    def touch(self, path):
        value = self.root
        value.raw = None
        for step in path:
            value = value.value[step - 1] if value.kind == "array" else value.value[step][1]
            value.raw = None
        return value

    def walk(self, wanted):
        """The path to a container, and it; None when there is none of this kind on the way."""
        value, path, found = self.root, [], []
        while value.kind in ("object", "array"):
            if value.kind in wanted:
                found.append((list(path), value))
            children = value.children()
            if not children:
                break
            key, value = self.random.choice(children)
            path.append(key)
        return self.random.choice(found) if found else (None, None)

    def new_value(self):
        text = python_json.value_of(self.random, self.random.choice([3, 5, 6]), [0])
        how = self.random.choice(["view", "plain"])
        value = read(text)[0]
        return how, text, value.plain() if how == "plain" else value.assigned()

    def put(self, path, key, value):
        container = self.touch(path)
        if container.kind == "array":
            container.value[key - 1:key] = [value]
        elif key in container.value:
            container.value[key][1] = value
        else:
            container.value[key] = [None, value]

    def key_for(self, container):
        if container.kind == "array":
            return self.random.randrange(1, len(container.value) + 2)
        return self.random.choice(KEYS + list(container.value)[:4])

    def set(self):
        path, container = self.walk(("object", "array"))
        key = self.key_for(container)
        how, text, value = self.new_value()
        self.put(path, key, value)
        return ["set", path, key, how], text

    def copy(self):
        path, container = self.walk(("object", "array"))
        source, value = self.walk(("object", "array"))
        children = value.children()
        if children and self.random.random() < 0.7:
            key, value = self.random.choice(children)
            source = source + [key]
        key = self.key_for(container)
        if not source or len(path) > 12 or sum(1 for _ in value.all()) > 500:  # "ops" is in the record itself
            return None
        if value is not dict(container.children()).get(key) or value.kind not in ("object", "array"):
            self.put(path, key, value.assigned())
        return ["copy", path, key, source], None

    def delete(self):
        path, container = self.walk(("object", "array"))
        if not container.value:
            return None
        key = len(container.value) if container.kind == "array" else self.random.choice(list(container.value))
        if container.kind == "array":
            self.touch(path).value.pop()
        else:
            del self.touch(path).value[key]
        return ["delete", path, key], None

    def append(self):
        path, container = self.walk(("array",))
        if path is None:
            return None
        how, text, value = self.new_value()
        self.touch(path).value.append(value)
        return ["append", path, how], text

    def insert(self):
        path, container = self.walk(("array",))
        if path is None:
            return None
        i = self.random.randrange(1, len(container.value) + 2)
        how, text, value = self.new_value()
        self.touch(path).value.insert(i - 1, value)
        return ["insert", path, i, how], text

    def remove(self):
        path, container = self.walk(("array",))
        if path is None or not container.value:
            return None
        i = self.random.randrange(1, len(container.value) + 1)
        del self.touch(path).value[i - 1]
        return ["remove", path, i], None

    def move(self):
        path, source = self.walk(("array",))
        to, target = self.walk(("array",))
        if path is None or to is None or not source.value or len(to) > 8:
            return None
        first = self.random.randrange(1, len(source.value) + 1)
        last = self.random.randrange(first, len(source.value) + 1)
        at = self.random.randrange(1, len(target.value) + 2)
        places = list(range(last - first + 1))
        if not (at > last or at <= first or source is not target):
            if at + places[-1] > len(target.value) + 1:
                return None  # from the end on there would be holes
            places.reverse()
        target = self.touch(to)
        for i in places:
            value = source.value[first - 1 + i].moved()
            target.value[at - 1 + i:at + i] = [value]
        return ["move", path, first, last, at, to], None

    def sort(self):
        path, container = self.walk(("array",))
        if path is None:
            return None
        order = sorted(range(len(container.value)), key=lambda i: type_of(container.value[i]))
        if order != list(range(len(order))):
            container = self.touch(path)
            container.value[:] = [container.value[i] for i in order]
        return ["sort", path], None

    def halve(self):
        path, container = self.walk(("object",))
        if not path:  # "ops" is there
            return None
        for key in list(container.value)[::2]:
            del self.touch(path).value[key]
        return ["halve", path], None

    def double(self):
        path, container = self.walk(("object",))
        if not path or len(container.value) > 20:
            return None
        for key in list(container.value):
            self.put(path, key + "+", container.value[key][1].assigned())
        return ["double", path], None

    def count(self):
        path, container = self.walk(("object", "array"))
        if not path:
            return None
        for key, value in container.children():
            if value.kind == "number" and number_kind(value.value) == "integer":
                following = int(value.value) + 1
                self.put(path, key, Value("number", None, str(following if following < 2**63 else -2**63)))
        return ["count", path], None

    def length(self):
        path, container = self.walk(("object", "array"))
        if not path:
            return None
        return ["length", path, len(container.value), container.kind == "array"], None

    def get(self):
        path, container = self.walk(("object", "array"))
        children = [(k, v) for k, v in container.children() if v.kind not in ("object", "array")]
        if not children:
            return None
        key, value = self.random.choice(children)
        return ["get", path + [key], spelt(value)], None

    def text(self):
        path, container = self.walk(("object", "array"))
        children = [(k, v) for k, v in container.children() if v.raw is not None]
        if not children:
            return None
        key, value = self.random.choice(children)
        return ["text", path, key, value.value if value.kind == "string" else value.raw], None

    def copied(self):
        return ["copied"], None

    def step(self):
        kinds = [self.set, self.copy, self.delete, self.append, self.insert, self.remove, self.move, self.sort, self.halve,
                 self.double, self.count, self.length, self.get, self.text] + [self.set, self.insert, self.remove, self.get] * 2
        made = self.random.choice(kinds + [self.copied] * (self.random.random() < 0.2))()
        if made:
            step, text = made
            self.steps.append(json.dumps(step, ensure_ascii=False)[:-1] + (f", {text}]" if text else "]"))
        return bool(made)


def record_of(random_):
    """A record as it comes and as it is to leave; how many steps."""
    values = [python_json.value_of(random_, random_.choice([1, 2, 3]), [0]) for _ in range(random_.randrange(1, 6))]
    data = python_json.object_of(random_, values, random_.choice(["", " "]))
    editor = Editor(random_, read(data)[0])
    editor.root.raw = None
    done = sum(editor.step() for _ in range(random_.choice([1, 2, 5, 20])))
    line = data[:-1].rstrip() + ', "ops": [' + ",".join(editor.steps) + "]}"
    return line, editor.root, done


def main():
    random_, lines, roots, steps = random.Random(SEED), [], [], 0
    while steps < STEPS:
        line, root, done = record_of(random_)
        lines.append(line)
        roots.append(root)
        steps += done
    with tempfile.TemporaryDirectory(prefix="tidemill-edits.") as name:
        folder = pathlib.Path(name)
        (folder / "edits.lua").write_text(SCRIPT, encoding="utf-8")
        (folder / "in.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / "job.yaml").write_text("input: {path: in.jsonl}\ntransform: {script: edits.lua}\nworkers: 2\n", encoding="utf-8")
        run = subprocess.run([TIDEMILL, "run", "-q", str(folder / "job.yaml")], capture_output=True, check=False)
    out = run.stdout.decode().split("\n")[:-1]
    for line, root, seen in zip(lines, roots, out):
        found = difference(root, read(seen)[0])
        if found:
            sys.exit(f"{line}\n{seen}\nat {found[0]}: {found[1]!r} and not {found[2]!r}")
    if run.returncode or len(out) != len(lines):
        sys.exit(f"{run.stderr.decode()}{lines[len(out)] if len(out) < len(lines) else ''}")
    print(f"{steps} steps on {len(lines)} records as in Python")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes down what ansible-core makes of the cases in this folder. Run it with the Python that has ansible-core.

    record.py literals   literals.txt -> literals.tsv: each text behind `v=` on a host's line and in a `:vars` section
    record.py keys       keys.txt -> keys.tsv: the hosts and the port that a key names
    record.py lists      lists.txt -> lists.tsv: the hosts of `-i` lists
    record.py files      files/*.ini -> files/*.json: all that the `ini` plugin says of a file
    record.py scripts    scripts/*.json -> scripts/*.out: the same for the `script` plugin

Lines of .txt files are JSON strings. Values are written as JSON; what JSON has no form for is an object: {"map": [[key,
value], ...]}, {"float": "inf"}, {"unsafe": text}, {"int": digits} beyond 64 bits. `!` is an error.
"""

import json
import os
import pathlib
import stat
import sys
import tempfile

from ansible import constants  # noqa: F401
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, inventory_loader
from ansible._internal._datatag._tags import TrustedAsTemplate

HERE = pathlib.Path(__file__).resolve().parent


def plain(value, bare=False):
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**63 else {"int": str(value)}
    if isinstance(value, float):
        return float(value) if abs(value) < float("inf") else {"float": str(float(value))}
    if isinstance(value, str):
        trusted = bare or TrustedAsTemplate.is_tagged_on(value)
        return str(value) if trusted else {"unsafe": str(value)}
    if isinstance(value, (list, tuple)):
        return [plain(item, bare) for item in value]
    if isinstance(value, dict):
        if not all(key is None or isinstance(key, (str, int, float)) for key in value):
            raise TypeError("a key")
        return {"map": [[plain(key, True), plain(item, bare)] for key, item in value.items()]}
    raise TypeError(type(value))


def read(plugin, path, source=None):
    """The inventory that a plugin makes of a source."""
    data = InventoryData()
    data.current_source = path
    reader = inventory_loader.get(plugin)
    loader = DataLoader()
    if not reader.verify_file(path):
        raise ValueError("not for this plugin")
    reader.parse(data, loader, path, cache=False)
    return data


def of(data, bare=False):
    own = ("inventory_file", "inventory_dir")
    variables = lambda vars: {k: plain(v, bare) for k, v in vars.items() if k not in own}
    return {
        "groups": {
            name: {
                "children": [child.name for child in group.child_groups],
                "hosts": [host.name for host in group.hosts],
                "priority": group.priority,
                "vars": variables(group.vars),
            }
            for name, group in data.groups.items()
        },
        "hosts": {name: variables(host.vars) for name, host in data.hosts.items()},
    }


def lines(name):
    return [json.loads(line) for line in (HERE / name).read_text().splitlines() if line and not line.startswith("#")]


def table(name, row):
    with open(HERE / f"{name}.tsv", "w", encoding="utf-8") as out:
        for text in lines(f"{name}.txt"):
            cells = [text, *row(text)]
            out.write("\t".join(c if c == "!" and i else json.dumps(c) for i, c in enumerate(cells)) + "\n")


def from_text(text):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "hosts")
        with open(path, "wb") as out:
            out.write(text.encode("utf-8", "surrogatepass"))
        return read("ini", path)


def attempt(function):
    try:
        value = function()
        json.dumps(value).encode()
        json.dumps(value, ensure_ascii=False).encode("utf-8")
        return value
    except Exception as problem:  # noqa: BLE001
        print(f"  {problem}"[:200], file=sys.stderr)
        return "!"


def literal(text):
    host = attempt(lambda: plain(from_text(f"h1 v={text}\n").hosts["h1"].vars["v"]))
    group = attempt(lambda: plain(from_text(f"[g]\n[g:vars]\nv={text}\n").groups["g"].vars["v"]))
    return host, group


def key(text):
    reader = inventory_loader.get("yaml")
    from ansible.inventory.host import Host

    def expand():
        names, port = reader._expand_hostpattern(text)
        return [names, plain(Host("h", port).vars.get("ansible_port"))]

    return [attempt(expand)]


def host_list(text):
    def expand():
        data = read("host_list", text)
        return [[name, plain(host.vars.get("ansible_port"))] for name, host in data.hosts.items()]

    return [attempt(expand)]


def dump(path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, sort_keys=False) + "\n" if value != "!" else "!\n")


def files():
    for path in sorted((HERE / "files").glob("*.ini")):
        print(path.name, file=sys.stderr)
        dump(path.with_suffix(".json"), attempt(lambda: of(read("ini", str(path)))))


def scripts():
    """Each case: {"--list": text, "--host": {name: text}}; the script prints these."""
    for path in sorted((HERE / "scripts").glob("*.json")):
        print(path.name, file=sys.stderr)
        case = json.loads(path.read_text())
        with tempfile.TemporaryDirectory() as folder:
            script = pathlib.Path(folder, "script")
            script.write_text(
                f"#!{sys.executable}\nimport sys\ncase = {case!r}\n"
                "print(case['--list'] if sys.argv[1] == '--list' else case['--host'][sys.argv[2]])\n"
            )
            script.chmod(script.stat().st_mode | stat.S_IXUSR)
            dump(path.with_suffix(".out"), attempt(lambda: of(read("script", str(script)))))


if __name__ == "__main__":
    init_plugin_loader()
    what = sys.argv[1:] or ["literals", "keys", "lists", "files", "scripts"]
    for name in what:
        match name:
            case "literals":
                table(name, literal)
            case "keys":
                table(name, key)
            case "lists":
                table(name, host_list)
            case "files":
                files()
            case "scripts":
                scripts()

#!/usr/bin/env python3
"""Records what Ansible's loaders make of the documents beside this script.

Run it by the Python of an ansible-core installation: `PYTHON record.py`. In the tables `documents.tsv` (YAML) and
`json.tsv` (JSON, as it is tried first), each line is a document, written as a JSON string, and what became of it:

    null true 12         themselves
    f3ff0000000000000    a float, by its bits (fnan)
    "text"  u"text"      text, text that is no template
    @2001-12-14          a date
    v"$ANSIBLE_VAULT"    encrypted text
    [a, b]  {a: b}       a list (a set, a tuple), a map
    error                refused
"""

import datetime
import json
import pathlib
import struct
import sys

import yaml
from ansible._internal._datatag._tags import TrustedAsTemplate
from ansible._internal._json._profiles import _legacy
from ansible.parsing.yaml.loader import AnsibleLoader
from ansible.utils.display import Display


def shown(value):
    if isinstance(value, dict):
        # Whether a key is a template does not matter.
        entries = (f"{shown(key).lstrip('u')}: {shown(item)}" for key, item in value.items())
        return "{" + ", ".join(entries) + "}"
    if isinstance(value, (list, tuple, set)):
        return "[" + ", ".join(map(shown, value)) + "]"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return "fnan" if value != value else "f" + struct.pack(">d", value).hex()
    if type(value).__name__ == "EncryptedString":
        return "v" + json.dumps(value._ciphertext, ensure_ascii=False)
    if isinstance(value, str):
        mark = "" if TrustedAsTemplate.is_tagged_on(value) else "u"
        return mark + json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, datetime.date):
        return "@" + value.isoformat()
    raise TypeError(f"no variable holds {type(value)}")


def answer(load, document):
    try:
        return shown(load(TrustedAsTemplate().tag(document)))
    except Exception:
        return "error"


def read_yaml(document):
    return yaml.load(document, Loader=AnsibleLoader)


def read_json(document):
    return json.loads(document, cls=_legacy.Decoder)


def record(name, load):
    path = pathlib.Path(__file__).parent / name
    documents = [line.split("\t")[0] for line in path.read_text().split("\n")[:-1]]
    lines = [f"{document}\t{answer(load, json.loads(document))}\n" for document in documents]
    path.write_text("".join(lines))


if __name__ == "__main__":
    Display().warning = Display().deprecated = lambda *_, **__: None
    if sys.argv[1:]:
        sys.exit(__doc__)
    record("documents.tsv", read_yaml)
    record("json.tsv", read_json)

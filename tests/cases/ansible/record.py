#!/usr/bin/env python3
"""Records what the real Ansible answers to the cases beside this file.

    python3 -m venv /tmp/ansible && /tmp/ansible/bin/pip install ansible-core==$(cat tests/cases/ansible/VERSION)
    tests/cases/ansible/record.py [--runs N] /tmp/ansible/bin [CASE...]

A case is a folder: an inventory in whatever files it takes, `commands` (a command line of `portmap-deploy inventory` a
line; the comments on top say what the case shows), perhaps `env` (NAME=value a line). Commands run in the case's
folder. This script runs Ansible's words for them and writes `expected`, which `tests/conformity.rs` compares with
what this program prints:

    $ --list -i hosts            the command line
    [warned]                     Ansible warned; or [failed]: exit status not 0, and the output does not count
      {                          its standard output, indented by two
      ...

The output of `--yaml` is kept as JSON, because data is compared there and not text; a key that is no string starts
with `!`. Ansible's words in errors and warnings are not kept. A source that it cannot parse is told to be an error
(ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED), as it is for this program.

Ansible walks sets of objects at places, so the order of hosts can change from run to run. Each command runs several
times, with another hash seed and another layout of memory each; where the answers differ, nothing is recorded and the
script fails. Such a command needs another inventory, or `# any order` at its end: its lines are then compared sorted.
"""

import argparse
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

CASES = Path(__file__).resolve().parent
ANY_ORDER = "# any order"
AT_ONCE = 2

# What differs from Ansible's defaults, and why.
SETTINGS = {
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/bin:/bin",
    # The one strictness that this program adds.
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
    # Warnings that are about no inventory's content, and hints for Ansible's own future.
    "ANSIBLE_LOCALHOST_WARNING": "0",
    "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
    "ANSIBLE_DEPRECATION_WARNINGS": "0",
    "ANSIBLE_NOCOLOR": "1",
}

# A JSON text for the YAML on standard input; runs under the virtual environment's Python, which has PyYAML.
YAML_TO_JSON = """
import json, math, sys, yaml
class Loader(yaml.SafeLoader):
    pass
Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: node.value)
Loader.add_multi_constructor("!", lambda loader, tag, node: {"!" + tag: loader.construct_scalar(node)})
def plain(value):
    if isinstance(value, dict):
        return {key if isinstance(key, str) else "!" + json.dumps(key): plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
print(json.dumps(plain(yaml.load(sys.stdin.buffer, Loader)), indent=1, sort_keys=True))
"""


def command_lines(case):
    """The command lines of a case: `(line as written, words, whether order counts)`."""
    for line in (case / "commands").read_text().splitlines():
        line = line.strip()
        if line and not line.startswith("#"):
            bare = line.removesuffix(ANY_ORDER)
            yield line, shlex.split(bare), bare == line


def ansible_words(tools, words):
    """Ansible's command line for one of ours."""
    if "--list-hosts" in words:
        return [tools / "ansible", "all", *words]
    if not {"--list", "--graph", "--host"} & set(words):
        words = ["--list", *words]
    return [tools / "ansible-inventory", *words]


def environment(case, temporary, run):
    """A clean environment. The padding moves objects in memory, whose addresses decide the order of sets."""
    own = (case / "env").read_text().splitlines() if (case / "env").exists() else []
    padding = {f"PADDING_{n}": "x" * (n * 7 % 90) for n in range(run * 41)}
    settings = dict(line.split("=", 1) for line in own if line and not line.startswith("#"))
    return {**SETTINGS, "ANSIBLE_HOME": temporary, "PYTHONHASHSEED": str(run), **padding, **settings}


def as_kept(tools, words, output):
    """Standard output as the case keeps it."""
    if "--list-hosts" in words:
        # A heading with their number, then a host a line.
        return "".join(line.strip() + "\n" for line in output.splitlines()[1:])
    if "--yaml" in words:
        python = [tools / "python", "-c", YAML_TO_JSON]
        return subprocess.run(python, input=output, capture_output=True, text=True, check=True).stdout
    return output


def answer(tools, case, words, run):
    """What Ansible says once: `(mark or none, output)`."""
    with tempfile.TemporaryDirectory() as temporary:
        done = subprocess.run(
            ["nice", *ansible_words(tools, words)],
            cwd=case,
            env=environment(case, temporary, run),
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
    # Decoded here: text mode would make line ends of carriage returns.
    stdout, stderr = done.stdout.decode(), done.stderr.decode()
    if "unrecognized arguments" in stderr or "Failed to create" in stderr:
        sys.exit(f"{case.name}: {shlex.join(words)}: {stderr}")
    if done.returncode != 0:
        return "[failed]", ""
    return "[warned]" if "[WARNING]" in stderr else None, as_kept(tools, words, stdout)


def entry(tools, runs, case, line, words, ordered):
    """The part of `expected` for one command; none where the answer changes from run to run."""
    answers = {answer(tools, case, words, run) for run in range(runs)}
    if not ordered:
        answers = {(mark, "".join(sorted(output.splitlines(True)))) for mark, output in answers}
    if len(answers) > 1:
        print(f"{case.name}: {line}: the answer changes from run to run", file=sys.stderr)
        return None
    mark, output = answers.pop()
    head = [f"$ {line}"] + ([mark] if mark else [])
    return "\n".join(head + ["  " + text for text in output.split("\n")[:-1]]) + "\n"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="runs of each command [3]")
    parser.add_argument("tools", type=Path, help="the folder of ansible and ansible-inventory")
    parser.add_argument("cases", nargs="*", help="names of cases [all]")
    return parser.parse_args()


def main():
    given = arguments()
    tools = given.tools.resolve()
    cases = [CASES / name for name in given.cases] or sorted(path.parent for path in CASES.glob("*/commands"))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        record = partial(pool.submit, entry, tools, given.runs)
        jobs = [(case, [record(case, *one) for one in command_lines(case)]) for case in cases]
        changing = False
        for case, entries in jobs:
            entries = [one.result() for one in entries]
            changing = changing or None in entries
            (case / "expected").write_bytes("".join(one for one in entries if one).encode())
    version = [tools / "python", "-c", "import ansible; print(ansible.__version__)"]
    (CASES / "VERSION").write_text(subprocess.run(version, capture_output=True, text=True, check=True).stdout)
    sys.exit(changing)


if __name__ == "__main__":
    main()

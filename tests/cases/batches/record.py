"""Records how the real Ansible splits hosts into batches (`serial`), orders them (`order`), and which hosts it still runs
a play's task on after failures (`max_fail_percentage`).

Run by a Python that has ansible-core:

    python tests/cases/batches/record.py tests/cases/batches
"""

import contextlib
import itertools
import json
import os
import pathlib
import random
import sys
import tempfile

from ansible import __version__, context
from ansible._internal._templating._engine import TemplateEngine
from ansible.cli.playbook import PlaybookCLI
from ansible.executor.playbook_executor import PlaybookExecutor
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play import Play
from ansible.plugins.loader import init_plugin_loader
from ansible.vars.manager import VariableManager

SERIALS = [
    "[]", "0", "1", "3", "7", "100", "'5'", "1%", "10%", "29%", "'30%'", "33%", "50%", "57%", "99%", "100%", "200%",
    "0%", "[1, 5, 10]", "[1, 20%]", "[1, 10%, 100%]", "[10%, 50%]", "[2, 0]", "[1, 2, 0, 4]", "['1', '25 %', 3]",
]
HOSTS = [0, 1, 3, 10, 100, 257]
ORDERS = ["inventory", "reverse_inventory", "sorted", "reverse_sorted"]
NAMES = ["web10", "web2", "Web1", "db", "ä1", "z", "a_b", "a-b", "a.b", "_x", "1x", "10.0.0.2", "10.0.0.10", "\U0001f680", "\uff21"]


def batches(hosts, keywords):
    """The batches that Ansible makes of a play with these keywords."""
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[",".join(hosts) + ","])
    manager = VariableManager(loader=loader, inventory=inventory)
    play = Play.load(loader.load("hosts: all\n" + keywords), variable_manager=manager, loader=loader)
    play.post_validate(TemplateEngine(loader=loader, variables=manager.get_vars(play=play)))
    executor = PlaybookExecutor([], inventory, manager, loader, {})
    return [[str(host) for host in batch] for batch in executor._get_serialized_batches(play)]


def random_size(draw, hosts):
    share = draw.choice(["'%d%%'", "'%d %%'"]) % draw.choice([0, 1, 7, 10, 25, 29, 33, 50, 57, 58, 66, 99, 100, draw.randrange(130)])
    return draw.choice([share, str(draw.choice([0, 1, 1, 2, 3, 5, draw.randrange(1, hosts + 4)]))])


def random_serial(draw, hosts):
    sizes = [random_size(draw, hosts) for _ in range(draw.choice([1, 1, 2, 3, 4]))]
    return sizes[0] if len(sizes) == 1 and draw.random() < 0.7 else "[" + ", ".join(sizes) + "]"


def random_percentage(draw, hosts):
    """Often just what some hosts of a batch are, or next to it."""
    share = 100 * draw.randrange(hosts + 1) / draw.randrange(1, hosts + 1)
    whole = draw.choice([0, 1, 10, 20, 25, 29, 30, 33, 34, 50, 57, 66, 67, 75, 99, 100, int(min(share, 100))])
    broken = draw.choice([0.5, 12.5, 14.2, 28.57, 33.3, 33.33, 33.34, 66.6, 66.66, 66.67, min(share, 100.0)])
    return draw.choice([whole, broken])


def ran(serial, hosts, percentage, failing):
    """The hosts on which Ansible runs the one task of a play, of which some fail."""
    play = {
        "hosts": "all",
        "gather_facts": False,
        "serial": serial,
        "max_fail_percentage": percentage,
        "tasks": [{"fail": {}, "when": "inventory_hostname in failing"}],
        "vars": {"ansible_connection": "local", "failing": [f"h{n}" for n in failing]},
    }
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[",".join(f"h{n}" for n in range(hosts)) + ","])
    manager = VariableManager(loader=loader, inventory=inventory)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file, open(os.devnull, "w") as nowhere:
        file.write(json.dumps([play]))
        file.flush()
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            executor = PlaybookExecutor([file.name], inventory, manager, loader, {})
            executor.run()
    began = {int(str(host)[1:]) for host in executor._tqm._stats.processed}
    assert began == set(range(len(began))), "hosts come in their order"
    return len(began)


def random_decision(draw):
    hosts = draw.randrange(1, 15)
    serial = [draw.choice([1, 2, 3, 4, 5, 7, "20%", "25%", "34%", "50%", "100%"]) for _ in range(draw.choice([1, 1, 2, 3]))]
    # With 100 only a batch that failed whole ends the play.
    percentage = 100 if draw.random() < 0.2 else random_percentage(draw, max(hosts // 2, 1))
    rate = draw.choice([0.05, 0.2, 0.4, 0.7, 0.9])
    failing = [n for n in range(hosts) if draw.random() < rate]
    return serial, hosts, percentage, failing


# A batch that failed whole after one that failed in part.
PART_THEN_WHOLE = [
    ([2], 6, 100, [1, 2, 3]), ([3], 9, 100, [0, 3, 4, 5]), ([2, 1], 6, 100, [0, 2]), ([2], 8, 100, [1, 2, 3, 4, 5]),
    ([1, 3], 9, 100, [2, 4, 5, 6]), ([2], 8, 100, [1, 4, 5]),
]


def main(folder):
    context.CLIARGS = ImmutableDict(tags=(), skip_tags=(), listhosts=True)
    lines = [f"# ansible-core {__version__}: serial, hosts, sizes of batches"]
    draw = random.Random(1)
    drawn = [(random_serial(draw, hosts), hosts) for hosts in (draw.choice([7, 12, 40, 99, 1000]) for _ in range(250))]
    for serial, count in itertools.chain(itertools.product(SERIALS, HOSTS), drawn):
        sizes = [len(batch) for batch in batches([f"h{n}" for n in range(count)], f"serial: {serial}")]
        lines.append("\t".join([serial, str(count), " ".join(map(str, sizes))]))
    (folder / "serial.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    lines = [f"# ansible-core {__version__}: order, hosts in it", "\t".join(["", json.dumps(NAMES, ensure_ascii=False)])]
    for order in ORDERS:
        [batch] = batches(NAMES, f"order: {order}")
        lines.append("\t".join([order, json.dumps(batch, ensure_ascii=False)]))
    (folder / "order.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    PlaybookCLI(["ansible-playbook", "--forks=20", "playbook.yaml"]).parse()
    init_plugin_loader([])
    lines = [f"# ansible-core {__version__}: serial, max_fail_percentage, which of so many hosts fail, on how many the play ran"]
    for serial, hosts, percentage, failing in PART_THEN_WHOLE + [random_decision(draw) for _ in range(300)]:
        count = ran(serial, hosts, percentage, failing)
        failed = " ".join(map(str, failing))
        lines.append("\t".join([json.dumps(serial), json.dumps(percentage), str(hosts), failed, str(count)]))
    (folder / "failures.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))

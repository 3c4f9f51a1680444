"""Records how the real Ansible splits hosts into batches (`serial`) and orders them (`order`).

Run by a Python that has ansible-core:

    python tests/cases/batches/record.py tests/cases/batches
"""

import itertools
import json
import pathlib
import sys

from ansible import __version__, context
from ansible._internal._templating._engine import TemplateEngine
from ansible.executor.playbook_executor import PlaybookExecutor
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play import Play
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


def main(folder):
    context.CLIARGS = ImmutableDict(tags=(), skip_tags=(), listhosts=True)
    lines = [f"# ansible-core {__version__}: serial, hosts, sizes of batches"]
    for serial, count in itertools.product(SERIALS, HOSTS):
        sizes = [len(batch) for batch in batches([f"h{n}" for n in range(count)], f"serial: {serial}")]
        lines.append("\t".join([serial, str(count), " ".join(map(str, sizes))]))
    (folder / "serial.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    lines = [f"# ansible-core {__version__}: order, hosts in it", "\t".join(["", json.dumps(NAMES, ensure_ascii=False)])]
    for order in ORDERS:
        [batch] = batches(NAMES, f"order: {order}")
        lines.append("\t".join([order, json.dumps(batch, ensure_ascii=False)]))
    (folder / "order.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))

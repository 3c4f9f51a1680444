#!/usr/bin/env python3
"""Records what ansible-core makes of the templates in cases.yaml.

Run with the Python of an environment that has ansible-core; writes recorded.json beside this file. The group
"addresses" needs the collection ansible.utils (ANSIBLE_COLLECTIONS_PATH) and the package netaddr.
"""

import json
import os
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
os.environ["ANSIBLE_DEPRECATION_WARNINGS"] = "0"
os.environ["PORTMAP_CASE"] = "from the environment"
os.chdir(HERE)

from ansible.errors import AnsibleError  # noqa: E402
from ansible.parsing.dataloader import DataLoader  # noqa: E402
from ansible.plugins import loader as plugins  # noqa: E402
from ansible.template import Templar, trust_as_template  # noqa: E402
from ansible.utils.display import Display  # noqa: E402

Display.warning = lambda *args, **kwargs: None
Display.deprecated = lambda *args, **kwargs: None


def plain(value):
    """The value as JSON has it; dates as their ISO text."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if isinstance(value, float) and value != value:
        return {"float": "nan"}
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return {"float": str(value)}
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def answer(templar, template):
    try:
        return {"result": plain(templar.template(template))}
    except (AnsibleError, Exception) as error:  # whatever it is, it is an error
        return {"error": f"{type(error).__name__}: {error}".replace("\n", " ")[:200]}


def main():
    plugins.init_plugin_loader([])
    loader = DataLoader()
    groups = loader.load_from_file(str(HERE / "cases.yaml"), cache="none", trusted_as_template=True)
    rows = []
    for index, group in enumerate(groups):
        variables = dict(group.get("variables") or {})
        variables["ansible_search_path"] = [str(HERE)]
        templar = Templar(loader=loader, variables=variables)
        for template in group["templates"]:
            rows.append({"group": index, "template": template, **answer(templar, template)})
    text = json.dumps(rows, indent=1, ensure_ascii=False, default=str)
    (HERE / "recorded.json").write_text(text + "\n")


main()

#!/usr/bin/env python3
"""Records what the InventoryManager of an installed ansible-core makes of host patterns.

Run it with that ansible-core's Python, in this folder: it writes recorded.json, which the unit tests of
src/inventory/pattern.rs read. They build their groups and hosts from it too, so the order of members is Ansible's.
"""

import json
import os
import tempfile

import ansible.release
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.utils.display import Display

INVENTORIES = {
    "fleet": {
        "all": {
            "hosts": {"gateway": {}},
            "children": {
                "web": {"hosts": {f"web{n}": {} for n in range(1, 8)}},
                "db": {"hosts": {"db-a.example.com": {}, "db-b.example.com": {}, "web7": {}}},
                "site": {"children": {"web": {}, "db": {}}},
                "spare": {},
                "west": {"hosts": {"web2": {}, "web4": {}, "db-b.example.com": {}}},
            },
        }
    },
    "odd": {
        "all": {
            "hosts": {
                "127.0.0.1": {},
                "::1": {},
                "fe80::1": {},
                "2001:db8::10": {},
                "192.0.2.7": {},
                "Upper": {},
                "upper": {},
                "gr\u00fcn": {},
                "twin": {},
                "a b": {},
                "x-y": {},
                "b]c": {},
                "b[c": {},
                "{brace}": {},
                "back\\slash": {},
                "&and": {},
                "!not": {},
                "~tilde": {},
                "@at": {},
                "caret^": {},
                "1": {},
                "host:22": {},
            },
            "children": {
                "twin": {"hosts": {"other": {}, "upper": {}}},
                "dotted.group": {"hosts": {"d1": {}}},
                "lone.dot": {"hosts": {"d2": {}}},
                "and": {"hosts": {"d1": {}, "d2": {}}},
                "not": {"hosts": {"d2": {}}},
                "q?": {"hosts": {"d3": {}}},
            },
        }
    },
    "empty": {"all": {"children": {"web": {}, "db": {}}}},
    "tiers": {
        "all": {
            "hosts": {"localhost": {}},
            "children": {
                "one": {"hosts": {"h1": {}, "h2": {}}, "children": {"two": {"hosts": {"h2": {}, "h3": {}}, "children": {"three": {"hosts": {"h1": {}, "h4": {}}}}}}},
                "h": {"hosts": {f"h{n}": {} for n in range(10, 16)}},
                "hollow": {"children": {"void": {}}},
                "all2": {"hosts": {"h5": {}}},
            },
        }
    },
}

FILES = {
    "list": "web1\n  db-a.example.com \n\n# remark\nh2\r\nd1,d2\n",
    "signs": "all\n!web1\n&site\n!h1\n",
    "empty": "",
    "blank": "\n  \n\t\n",
    "nested": "@list\n",
    "old-mac": "web1\rweb2\rh1",
}

# A pattern of hosts, and perhaps a limit.
CASES = [
    *[(p, None) for p in [
        "all", "*", "web", "web1", "nope", "web:db", "web,db", "web db", "db,web", "web1,web1", "web7,db", "all:!web",
        "all,!web", "!web", "&web", "web:&west", "&west:web", "!web1:web", "!h1,h1", "web:!web1:&west", "all:&web:&west",
        "!web:&site", "web1:!nope", "nope:web1", "nope,nope", "nope1,nope2", "ungrouped", "ungr*", "al*", "al?", "all*",
        "spare", "spare:web1", "hollow", "void", "site", "s*", "w*", "w*:!web", "web?", "web[1-3]", "web[!1-3]",
        "web[13]*", "web[1-3]*", "web[3-1]*", "web[!3-1]*", "web[a-]*", "web[-1]*", "web[]1]*", "web[!]1]*", "web[*",
        "[w]eb1", "[wd]*", "[!w]*", "[^w]*", "*[7m]", "*.example.com", "db-?.example.com", "db*.com", "*web*", "**", "?",
        "web1?", "*1", "WEB*", "Upper", "upper", "UPPER", "[uU]pper", "gr\u00fcn", "gr?n", "gr[\u00fc]n", "{brace}", "back\\slash",
        "back[\\]slash", "back*", "caret^", "caret[^]", "twin", "!twin", "all:!twin", "twin*", "dotted.group", "!dotted.group",
        "lone.dot", "lone*", "q?", "q[?]", "and", "&and", "&and,all", "!not", "all,!not", "all:!not:&and", "~tilde", "~~tilde",
        "@at", "@list", "a b", "a*b", "b]c", "b[c", "x-y", "x-y:upper",
    ]],
    *[(p, None) for p in [
        "web[0]", "web[1]", "web[6]", "web[7]", "web[-1]", "web[-7]", "web[-8]", "web[-0]", "web[00]", "web[0:2]", "web[0:0]", "web[3:0]",
        "web[9:0]", "web[1:]", "web[5:3]", "web[9:]", "web[9:12]", "web[-2:]", "web[:2]", "web[1:-1]", "web[0-2]", "web[2-]", "web[-]",
        "web[]", "web[ 1]", "web[+1]", "web[1:2:3]", "web[99999999999999999999]", "web[0:99999999999999999999]", "nope[0]", "nope[5]",
        "spare[0]", "spare[3:4]", "all[0]", "all[-1]", "all[2:4]", "w*[0]", "w*[8]", "w*[12]", "*[0]", "*[-1]", "*[3:5]", "h*[7]", "h[12]",
        "h[2]", "h1[0]", "h1[1]", "web1[0]", "web1[-1]", "web1[1]", "site[0]", "site[-1]", "one[2]", "one[0:1]", "web[0],web[2]", "web[0]:web[2]",
        "web[0:1]:db[0]", "all,!web[0]", "all:!web[0:2]", "all:&web[0:3]", "!web[0]", "&web[1:2]", "web[1][0]", "web[0][0]", "web?[0]", "web[12][0]",
        "[0]", "x[0]", "localhost[0]", "localhost[1]", "127.0.0.1[0]", "web[\u0661]", "~web[0]", "~web[12]$", "web [0]", "web[0] db[0]",
    ]],
    *[(p, None) for p in [
        "~web", "~^web", "~web$", "~web\\d$", "~eb", "~.*eb", "~WEB", "~(?i)WEB", "~(?i:W)EB1", "~W(?i)EB", "~web1|db", "~(web1|db-a)", "~(?P<d>[12])",
        "~web(?P<n>\\d)", "~web(?!1)", "~web(?=[12])", "~.*(?<=2)$", "~(.)(.).*\\1", "~h(?P<d>\\d)(?P=d)", "~(h)?(?(1)\\d|web)", "~(?#remark)web1", "~web[[:alpha:]]",
        "~[[w]eb", "~[w&&x]eb", "~[a-w--b]eb", "~web{1}\\d", "~w{", "~web{,1}", "~w{1}eb", "~we{0,3}b", "~we{,3}b", "~we{1,}b", "~we{2}b", "~w**", "~w*?eb", "~w*+eb", "~w++eb",
        "~w{1}{2}", "~*", "~+", "~?", "~^*", "~(", "~)", "~a)|(?:b", "~[", "~[]", "~[]w]eb", "~[^]w]eb", "~[z-a]", "~[\\d-z]", "~[\\w]eb", "~[^\\d]eb", "~\\", "~\\h", "~\\q", "~\\<web", "~\\Aweb",
        "~web1\\Z", "~web1\\z", "~\\bweb\\b", "~\\x77eb", "~\\x7", "~\\u0077eb", "~\\167eb", "~\\0", "~\\8", "~(?<n>w)", "~(?P<1>w)", "~(?x) w e b", "~(?x)w # remark", "~", "~ web",
        "~(?>w)eb", "~(?s).*1", "~(?:we)b", "~(?:web|db).*", "~.", "~.*", "~[-w]eb", "~[w-]eb", "~[a\\-w]eb", "~[\\]w]eb", "~we\\b", "~\\.", "~db-.\\.example\\.com$", "~all", "~al", "~ungr",
        "~h1?$", "~h1+", "~twin", "~(?-i:w)eb", "~(?i-i:w)eb", "~(?q)w", "!~web", "all:!~web[12]", "&~web", "~web,~db", "~web:~db", "~web[12] ~db", "~h{1,2}", "~h{1}", "~(?:x)",
    ]],
    *[(p, None) for p in [
        "", " ", ",", ":", ",,", " , ", "::", "&", "!", "all:!", "all:&", "!&web1", "&!web1", "&&web1", "!!web1", "all,&&and", " web1 ", "web1 ,web2", "web1\tweb2", "web1\nweb2", "web1:22", "h1:22",
        "host:22", "web1:web2:22", "[web1]:22", "[fe80::1]:22", "fe80::1", "2001:db8::10", "2001:db8::10,upper", "2001:db8::10:upper", "fe80::*", "fe80::1:db8", "::1", "::", "1::", "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "::ffff:192.0.2.7", "::fffe:192.0.2.7", "0:0:0:0:0:ffff:192.0.2.7", "0:0:0:0:0:0:192.0.2.7", "192.0.2.7", "192.0.2.7:22", "192.0.2.*", "fe80::[1:3]", "web[1:3]:5",
        "web[1:3]", "web[01:20:2]", "db-[a:f]", "db-[a:f].example.com", "web[1:3]web[1:3]", "web1]:db", "web1[:db", "[web1:db", "]", "[", "[[[[", "web1::web2", "_x:web1", "x_:web1", "-x:web1", "x-:web1", "1:web1", "a..b:web1", "ab:", "ab:cd:", "cafe::", ":ab", "web1:", ":web1:", "1:2:3:4:5:6::7", "1:2:3:4:5:6::", "1:2:3:4:5:6:7::", "1::2:3:4:5:6:7", "::2:3:4:5:6:7:8", "::1:2:3:4:5:6", "a::b::c", ":::", "[a:22]:33", "[]:22", "fe80:22", "ab:[1:f]::1", "ab:[1:g]::1",
        "localhost", "127.0.0.1", "::1,localhost", "localhost,127.0.0.1", "127.0.0.1,localhost", "all,localhost", "localhost:!127.0.0.1", "localhost:&all", "local*", "~localhost", "!localhost", "localhost,!localhost", "LOCALHOST",
    ]],
    *[("all", p) for p in [
        "web", "web1,web2", "db,web1", "!web", "&west", "nope", "nope,web1", "", " ", ",", "@list", "@signs", "@empty", "@blank", "@nested", "@old-mac", "@list,web3", "web3:@list", "!@list", "&@list", "@none", "@.", "@", "@@list",
        "@none,web1", "web[0]", "web[9]", "~web[12]", "~(", "localhost", "127.0.0.1", "h1:22", "all", "ungrouped", "h[12]", "*:!h*", "db,@empty",
    ]],
    ("web", "west"), ("web", "db"), ("web", "nope"), ("west:web", "web"), ("db,web", "web,db"), ("w*[3:9]", "web[0:4]"), ("localhost", "localhost"), ("localhost", "127.0.0.1"),
    ("localhost", "all"), ("127.0.0.1", "localhost"), ("localhost", "@empty"), ("localhost", "@blank"), ("localhost", ""), ("all", "all,localhost"), ("all:localhost", "localhost"), ("nope", "nope"), ("nope", "other"), ("web:nope", "nope:web1"),
    (["web", "db"], None), (["web1", "!web1"], None), (["!web1", "all"], None), (["web1,web2", "db:west"], None), (["web1", ""], None), ([], None), ([], "web1"), ([""], "web1"), (["~web[12]", "db[0]"], "!web2"), (["@list"], None),
]


def fill(data, name, content):
    """Adds a group with what it holds, as the YAML plugin does, but with names that no file could hold."""
    name = data.add_group(name)
    for host in content.get("hosts", {}):
        data.add_host(host, group=name)
    for child, below in content.get("children", {}).items():
        data.add_child(name, fill(data, child, below))
    return name


def fresh(inventory):
    """A manager that has asked nobody anything yet."""
    manager = InventoryManager(DataLoader(), parse=False)
    fill(manager._inventory, "all", inventory["all"])
    manager.reconcile_inventory()
    return manager


def record(inventory, pattern, limit):
    manager = fresh(inventory)
    warnings = []
    Display.warning = lambda self, msg, *args, **kwargs: warnings.append(str(msg))
    case = {"hosts": pattern}
    if limit is not None:
        case["limit"] = limit
    try:
        manager.subset(limit)
        found = manager.get_hosts(pattern)
        case["found"] = [f"{host.name} (implicit)" if host.implicit else host.name for host in found]
    except Exception as error:  # whatever it is, the pattern led to it
        case["error"] = f"{type(error).__name__}: {error}"
    if warnings:
        case["warnings"] = list(dict.fromkeys(warnings))
    return case


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    recorded = {"ansible-core": ansible.release.__version__, "files": FILES, "inventories": []}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name, text in FILES.items():
            with open(name, "w", newline="") as file:
                file.write(text)
        for name, inventory in INVENTORIES.items():
            manager = fresh(inventory)
            recorded["inventories"].append({
                "name": name,
                "hosts": list(manager.hosts),
                "groups": [[group, [host.name for host in members.get_hosts()]] for group, members in manager.groups.items()],
                "cases": [record(inventory, *case) for case in CASES],
            })
    text = json.dumps(recorded, ensure_ascii=False, separators=(",", ":"))
    for start in ('{"hosts":', '"cases":', '{"name":'):
        text = text.replace(start, "\n" + start)
    with open(os.path.join(here, "recorded.json"), "w", encoding="utf-8") as file:
        file.write(text + "\n")


main()

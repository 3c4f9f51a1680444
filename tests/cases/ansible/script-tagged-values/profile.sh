#!/bin/sh
echo '{"_meta": {"profile": "inventory_legacy", "hostvars": {"h1": {"v": 1}}}, "web": ["h1"]}'

#!/bin/sh
echo '{"_meta": {"profile": "nonsense", "hostvars": {"h1": {"v": 1}}}, "web": ["h1"]}'

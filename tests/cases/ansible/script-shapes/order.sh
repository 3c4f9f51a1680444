#!/bin/sh
echo '{"zz": ["h1"], "aa": ["h2"], "_meta": {"hostvars": {"h1": {"x": 1}}}, "mm": {"children": ["aa"]}}'

#!/bin/sh
echo '{"_meta": {"hostvars": {"h1": {"w": 2}}}, "all": {"vars": {"v": 1, "w": 1}, "children": ["web"]}, "web": {"hosts": ["h1"]}}'

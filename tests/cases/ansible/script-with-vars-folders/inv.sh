#!/bin/sh
echo '{"_meta": {"hostvars": {"h1": {"v": "script-host"}}}, "web": {"hosts": ["h1", "h2"], "vars": {"v": "script-group", "w": "script-group"}}}'

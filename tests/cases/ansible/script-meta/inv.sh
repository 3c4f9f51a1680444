#!/bin/sh
case $1 in
--list) echo '{"_meta": {"hostvars": {"h1": {"a": 1, "b": {"c": [true, null, 1.5]}}, "ghost": {"x": 1}}}, "web": {"hosts": ["h1", "h2"], "vars": {"v": "web"}}, "ungrouped": {"hosts": ["h3"]}}' ;;
--host) echo '{"called": true}' ;;
esac

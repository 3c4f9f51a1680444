#!/bin/sh
test -f marker && here=yes || here=no
printf '{"_meta": {"hostvars": {"h1": {"words": "%s", "count": %s, "in_case": "%s", "flavour": "%s"}}}, "web": ["h1"]}' "$*" $# "$here" "$FLAVOUR"

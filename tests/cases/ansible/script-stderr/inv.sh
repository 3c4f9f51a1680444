#!/bin/sh
echo 'using the cache' >&2
echo '{"_meta": {"hostvars": {"h1": {"v": 1}}}, "web": ["h1"]}'

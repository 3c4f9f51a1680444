#!/bin/sh
echo '{"_meta": {"hostvars": {}}, "web": {"children": ["sub", "other"]}, "other": {"hosts": ["h1"]}}'

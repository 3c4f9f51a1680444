#!/bin/sh
echo '{"_meta": {"hostvars": {}}, "web": {"children": {"sub": {"hosts": ["h1"]}}}}'

#!/bin/sh
echo '{"_meta": {"hostvars": {}}, "web": {"hosts": {"h1": {"a": 1}}}}'

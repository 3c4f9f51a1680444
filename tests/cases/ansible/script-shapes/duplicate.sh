#!/bin/sh
echo '{"_meta": {"hostvars": {}}, "web": {"hosts": ["h1", "h1"]}, "db": ["h2"], "web": {"hosts": ["h3"]}}'

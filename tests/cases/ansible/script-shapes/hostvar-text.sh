#!/bin/sh
echo '{"_meta": {"hostvars": {"h1": "text"}}, "web": ["h1"]}'

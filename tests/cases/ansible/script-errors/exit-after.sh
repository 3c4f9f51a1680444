#!/bin/sh
echo '{"web": ["h1"], "_meta": {"hostvars": {}}}'
exit 3

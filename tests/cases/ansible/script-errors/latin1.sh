#!/bin/sh
printf '{"web": ["caf\351"], "_meta": {"hostvars": {}}}\n'

#!/bin/sh
echo '{"_meta": {"hostvars": {"h1": {"u": {"__ansible_unsafe": "{{ x }}"}, "more": {"__ansible_unsafe": "a", "b": 1}}}}, "web": ["h1"]}'

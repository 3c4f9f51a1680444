#!/bin/sh
echo '{"_meta": {"hostvars": {}}, "a": {"children": ["b"]}, "b": {"children": ["a"]}}'

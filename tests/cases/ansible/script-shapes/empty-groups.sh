#!/bin/sh
echo '{"_meta": {"hostvars": {}}, "a": {"hosts": []}, "b": {"vars": {"x": 1}}, "c": {"children": []}}'

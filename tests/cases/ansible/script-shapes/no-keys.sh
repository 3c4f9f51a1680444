#!/bin/sh
echo '{"_meta": {"hostvars": {}}, "lonely": {"a": 1, "b": "two"}, "none": {}}'

#!/bin/sh
echo '{"_meta": {"hostvars": {"h1": {"n": NaN, "i": Infinity, "m": -Infinity}}}, "web": ["h1"]}'

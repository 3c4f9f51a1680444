#!/bin/sh
echo '{"_meta": {"hostvars": {}}, "web": {"hosts": null}}'

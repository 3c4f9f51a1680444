#!/bin/sh
case $1 in
--list) echo '{"web": {"hosts": ["h1", "h2"], "vars": {"v": "web"}}, "db": ["h3"]}' ;;
--host) echo "{\"hostname\": \"$2\", \"v\": \"host\"}" ;;
esac

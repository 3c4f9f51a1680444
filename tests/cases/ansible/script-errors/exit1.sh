#!/bin/sh
echo 'cannot reach the cloud' >&2
exit 1

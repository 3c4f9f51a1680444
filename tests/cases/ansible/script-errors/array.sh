#!/bin/sh
echo '["h1"]'

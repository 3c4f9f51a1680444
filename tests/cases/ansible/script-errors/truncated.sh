#!/bin/sh
echo '{"web": ["h1"]'

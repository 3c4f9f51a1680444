#!/bin/sh
echo 'hello there'

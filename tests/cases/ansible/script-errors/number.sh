#!/bin/sh
echo 5

#!/bin/sh
cat <<'END'
{"_meta": {"hostvars": {"h1": {
 "big": 123456789012345678901234567890, "neg": -1, "f": 1.0, "e": 1e3, "E": 1E-7, "f17": 0.1, "minus0": -0, "minus0f": -0.0, "e400": 1e400,
 "esc": "\u00e9\n\t\"\\\/\b\f", "pair": "\ud83d\ude00", "raw": "é😀", "del": "", "empty": "", "obj": {}, "arr": [],
 "dup": 1, "dup": 2, "t": true, "n": null, "date": "2024-01-01", "mapping": "22:22", "tmpl": "{{ x }}", "": "empty key"
}}}, "web": ["h1"]}
END

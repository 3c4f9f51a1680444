#!/nonexistent/interpreter
{"web": ["h1"]}

//! YAML 1.1 as PyYAML reads it, with every value's place and scalar style.

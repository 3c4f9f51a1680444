//! What reads which source.

mod ini;

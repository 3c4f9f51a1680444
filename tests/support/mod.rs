//! What integration tests share.

pub mod lab;

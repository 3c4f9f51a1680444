//! What integration tests share.

pub mod deploy;
pub mod lab;
pub mod run;

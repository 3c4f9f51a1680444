//! What integration tests share.

pub mod bastion;
pub mod deploy;
pub mod lab;
pub mod run;

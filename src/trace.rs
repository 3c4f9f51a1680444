//! What is asked and answered about packets: a line of JSON each, or text for people. The walk itself is
//! [`firewall::trace`](crate::firewall::trace).

mod answer;
mod question;
mod text;

pub use answer::{answer, no_answer};
pub use question::{Question, state};
pub use text::text;

#[cfg(test)]
mod tests;

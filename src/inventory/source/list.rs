use std::sync::Arc;
use crate::inventory::data::Data;
use crate::problem::{Problem, Source};
pub(super) fn read(_: &Arc<Source>, _: &mut Data) -> Result<(), Vec<Problem>> {
    Err(vec![])
}

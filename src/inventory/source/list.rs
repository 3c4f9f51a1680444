use crate::inventory::data::Data;
use crate::problem::{Problem, Source};
use std::sync::Arc;
pub(super) fn read(_: &Arc<Source>, _: &mut Data) -> Result<(), Vec<Problem>> {
    Err(vec![])
}

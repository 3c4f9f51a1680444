use crate::inventory::data::Data;
use crate::problem::{Problem, Source};
use std::sync::Arc;
pub(super) fn read(source: &Arc<Source>, _: &mut Data) -> Result<(), Vec<Problem>> {
    if source.text.trim().is_empty() {
        return Ok(());
    }
    Err(vec![Problem::at(&super::whole(source), "INI")])
}

use crate::inventory::data::Data;
use crate::problem::Problem;
use crate::world::World;
use std::path::Path;
pub(super) fn read(_: &Path, _: &dyn World, _: &mut Data) -> Result<bool, Vec<Problem>> {
    Ok(false)
}
pub(super) fn ask(_: &Path, _: &[&str], _: &dyn World, _: &mut Data) -> Result<bool, Vec<Problem>> {
    Ok(false)
}

pub(super) const FILTERS: super::Table = &[];

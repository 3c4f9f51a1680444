//! Hosts that are added, kept and taken away, in the order in which they came.

/// Hosts are counted by slots: their ids, and one more for this machine when it is not among them.
pub(super) type Slot = usize;

pub(super) fn set<T>(list: &mut [T], slot: Slot, value: T) {
    if let Some(place) = list.get_mut(slot) {
        *place = value;
    }
}

/// Hosts in the order in which they were chosen.
pub(super) struct Chosen {
    order: Vec<Slot>,
    /// Where in the order a host stands that is chosen.
    places: Vec<Option<usize>>,
    /// The last turn of keeping in which a host was matched.
    turns: Vec<usize>,
    turn: usize,
}

impl Chosen {
    pub fn new(slots: usize) -> Self {
        Self {
            order: Vec::new(),
            places: vec![None; slots],
            turns: vec![0; slots],
            turn: 0,
        }
    }

    pub fn add(&mut self, slot: Slot) {
        if self.places.get(slot) == Some(&None) {
            set(&mut self.places, slot, Some(self.order.len()));
            self.order.push(slot);
        }
    }

    pub fn remove(&mut self, slot: Slot) {
        set(&mut self.places, slot, None);
    }

    pub fn keep(&mut self, matched: &[Slot]) {
        self.turn += 1;
        for slot in matched {
            set(&mut self.turns, *slot, self.turn);
        }
        let (kept, left): (Vec<Slot>, Vec<Slot>) =
            self.hosts().partition(|slot| self.turns.get(*slot) == Some(&self.turn));
        for slot in left {
            self.remove(slot);
        }
        self.order.clear();
        for slot in kept {
            self.remove(slot);
            self.add(slot);
        }
    }

    pub fn hosts(&self) -> impl Iterator<Item = Slot> {
        let order = self.order.iter().enumerate();
        order.filter_map(|(at, slot)| (self.places.get(*slot) == Some(&Some(at))).then_some(*slot))
    }
}

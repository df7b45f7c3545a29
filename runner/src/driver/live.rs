//! Figures newer than the history: what has come of the parts in flight.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use longhaul_core::EffectId;

use crate::meter::Meter;

/// How far apart live figures are, in milliseconds.
const LIVE_MS: u64 = 250;

/// The meters of all parts in flight, beside what is stored.
#[derive(Default)]
pub(super) struct Live {
    meters: RefCell<Vec<(EffectId, Rc<Meter>)>>,
    shown_at: Cell<u64>,
    stored: Cell<u64>,
}

impl Live {
    pub(super) fn begin(&self, id: &EffectId, now: u64) -> Rc<Meter> {
        let meter = Meter::new(now);
        self.meters
            .borrow_mut()
            .push((id.clone(), Rc::clone(&meter)));
        meter
    }

    pub(super) fn end(&self, id: &EffectId) {
        self.meters.borrow_mut().retain(|(of, _)| of != id);
    }

    /// So many bytes are stored by now.
    pub(super) fn set_stored(&self, bytes: u64) {
        self.stored.set(bytes);
    }

    /// Bytes that came, those stored included, and stored bytes: where it is time to show them, a few times a second.
    pub(super) fn due(&self, now: u64) -> Option<(u64, u64)> {
        let due = now.saturating_sub(self.shown_at.get()) >= LIVE_MS;
        due.then(|| self.figures(now))
    }

    pub(super) fn figures(&self, now: u64) -> (u64, u64) {
        self.shown_at.set(now);
        let meters = self.meters.borrow();
        let coming: u64 = meters.iter().map(|(_, meter)| meter.bytes()).sum();
        let stored = self.stored.get();
        (stored.saturating_add(coming), stored)
    }
}

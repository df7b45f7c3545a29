//! What a history may look like: a model of the machine that is smaller than the machine, and knows only the table of
//! phases, the endings, and the figures.

use longhaul_core::{Event, EvictedBy, MAX_ENTRIES, State};

/// The phases of DESIGN's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nothing was ever requested.
    None,
    /// An attempt began.
    Requested,
    /// A transfer began.
    Transferring,
    /// The last attempt ended well.
    Available,
    /// The last attempt failed.
    Failed,
    /// The last attempt was aborted.
    Aborted,
    /// What was stored is gone, or some of it, and nobody asked for that.
    Evicted,
    /// What was stored was removed by the app.
    Removed,
}

impl From<&State> for Phase {
    fn from(state: &State) -> Self {
        match state {
            State::None => Self::None,
            State::Requested => Self::Requested,
            State::Transferring { .. } => Self::Transferring,
            State::Available => Self::Available,
            State::Failed { .. } => Self::Failed,
            State::Aborted { .. } => Self::Aborted,
            State::Evicted {
                by: EvictedBy::Eviction,
            } => Self::Evicted,
            State::Evicted {
                by: EvictedBy::Removal,
            } => Self::Removed,
        }
    }
}

/// The reference model, and what it has seen of the present attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Where it stands.
    pub phase: Phase,
    /// The latest attempt.
    pub attempt: u32,
    transfer: u32,
    endings: u32,
    entries: u32,
    downloaded: u64,
    stored: u64,
    total: Option<u64>,
}

impl Default for Reference {
    fn default() -> Self {
        Self {
            phase: Phase::None,
            attempt: 0,
            transfer: 0,
            endings: 0,
            entries: 0,
            downloaded: 0,
            stored: 0,
            total: None,
        }
    }
}

impl Reference {
    /// Tries of the present attempt.
    #[must_use]
    pub const fn tries(&self) -> u32 {
        self.transfer
    }

    /// Takes the next event of a history.
    ///
    /// # Errors
    /// The law that it breaks, as a sentence.
    pub fn take(&mut self, event: &Event) -> Result<(), String> {
        self.phase = self
            .next_phase(event)
            .ok_or_else(|| format!("a {} came in phase {:?}", event.name(), self.phase))?;
        if let Event::Requested { attempt, .. } = event {
            if *attempt != self.attempt + 1 {
                return Err(format!("attempt {attempt} came after {}", self.attempt));
            }
            *self = Self {
                phase: Phase::Requested,
                attempt: *attempt,
                ..Self::default()
            };
        }
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(format!("L12: an attempt has {} entries", self.entries));
        }
        if event.is_ending() {
            self.endings += 1;
            if self.endings > 1 {
                return Err("L3: an attempt has two endings".into());
            }
        }
        self.figures(event)
    }

    fn next_phase(&self, event: &Event) -> Option<Phase> {
        use Phase::{Aborted, Available, Evicted, Failed, None, Removed, Requested, Transferring};
        Some(match (self.phase, event) {
            (None | Available | Failed | Aborted | Evicted | Removed, Event::Requested { .. }) => {
                Requested
            }
            (Requested, Event::CachedHit { .. }) | (Transferring, Event::Success { .. }) => {
                Available
            }
            (Requested | Transferring, Event::Started { .. })
            | (Transferring, Event::Progress { .. }) => Transferring,
            (Requested | Transferring, Event::Waiting { .. }) => self.phase,
            (Requested | Transferring, Event::Failure(_)) => Failed,
            (Requested | Transferring, Event::Aborted { .. }) => Aborted,
            (
                Available,
                Event::Evicted {
                    by: EvictedBy::Eviction,
                },
            ) => Evicted,
            (
                Available | Failed | Evicted,
                Event::Evicted {
                    by: EvictedBy::Removal,
                },
            ) => Removed,
            _ => return Option::None,
        })
    }

    /// L4: within an attempt figures never fall and never pass a known total.
    fn figures(&mut self, event: &Event) -> Result<(), String> {
        let (downloaded, stored, total) = match event {
            Event::Progress {
                downloaded,
                stored,
                total,
            } => (*downloaded, *stored, *total),
            Event::Started {
                transfer,
                stored,
                total,
                ..
            } => {
                if *transfer != self.transfer + 1 {
                    return Err(format!("try {transfer} came after {}", self.transfer));
                }
                self.transfer = *transfer;
                (self.downloaded.max(*stored), *stored, *total)
            }
            Event::Success { sizes, .. } => {
                let all: u64 = sizes.iter().sum();
                if self.total.is_some_and(|total| total != all) {
                    return Err(format!("L4: {all} bytes succeeded of {:?}", self.total));
                }
                // Where no size was known before, what arrived may have been more than the file
                // has: a body that the browser began anew.
                (self.downloaded.max(all), all, self.total)
            }
            _ => return Ok(()),
        };
        if stored < self.stored || downloaded < self.downloaded {
            return Err(format!("L4: figures fell with {event:?} after {self:?}"));
        }
        if downloaded < stored {
            return Err(format!("L4: more is stored than downloaded in {event:?}"));
        }
        if self.total.is_some() && total != self.total {
            return Err(format!(
                "L4: the total changed with {event:?} after {self:?}"
            ));
        }
        if total.is_some_and(|total| downloaded > total) {
            return Err(format!("L4: figures pass the total in {event:?}"));
        }
        (self.downloaded, self.stored, self.total) = (downloaded, stored, total);
        Ok(())
    }
}

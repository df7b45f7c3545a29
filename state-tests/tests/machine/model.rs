//! The reference model: what one page, one file of four parts and one job amount to, in so few rules that they can be
//! read at a glance. It knows no events, no plans and no times, only whether a wait is over.

use crate::PATIENCE;
use longhaul_state_tests::scenario::{PART, PARTS, SIZE};
use longhaul_state_tests::world::Phase;
use std::collections::BTreeSet;

/// What happens to the download.
#[derive(Debug, Clone)]
pub(crate) enum Transition {
    Request,
    RequestOther,
    Abort,
    Retry,
    Remove,
    /// The server answers the probe.
    Probed,
    /// The probe fails in a way that may heal.
    ProbeBreaks,
    /// There is no such file.
    NotFound,
    /// A part is stored.
    PartComes(u32),
    /// A request of the page fails in a way that may heal.
    PartBreaks,
    /// The server has another file.
    Changed,
    /// The job ends without having brought everything.
    JobFails,
    /// The job is gone without a trace.
    JobVanishes,
    /// A person cancels the job.
    JobCancelled,
    /// The hash over what is stored.
    Hashed {
        right: bool,
    },
    /// A part that was stored is gone.
    Evicted(u32),
    /// The planned deletion is performed.
    Swept,
    /// So much time goes by that no wait holds any longer.
    Later,
    /// An outcome of the attempt before arrives.
    Stale(u8),
}

/// How the bytes come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Page,
    /// So many bytes' parts were stored when the job began.
    Job {
        base: usize,
    },
    /// The job ended, and the next try has not begun.
    Between {
        base: usize,
    },
}

#[derive(Debug, Clone)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each says something else of a download"
)]
pub(crate) struct Model {
    pub phase: Phase,
    pub attempt: u32,
    pub hashed: bool,
    pub background: bool,
    /// Parts stored of either file that may be asked for.
    pub rest: [BTreeSet<u32>; 2],
    /// Which of the two is asked for.
    pub asked: usize,
    /// Whose parts were planned last.
    pub planned: Option<usize>,
    pub how: How,
    pub rounds: u32,
    pub waits: bool,
    /// Whether the job is gone, which is seen to after a wait.
    pub lost: bool,
    /// Bytes stored when they were last written down.
    pub written: u64,
    pub restarts: u32,
    /// Whether what is stored is to be deleted although the attempt only failed.
    pub wrong: bool,
    /// Whether the last command was refused.
    pub refused: bool,
}

impl Model {
    pub(crate) fn new(hashed: bool, background: bool) -> Self {
        Self {
            phase: Phase::None,
            attempt: 0,
            hashed,
            background,
            rest: Default::default(),
            asked: 0,
            planned: None,
            how: How::Page,
            rounds: 0,
            waits: false,
            lost: false,
            written: 0,
            restarts: 0,
            wrong: false,
            refused: false,
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Requested | Phase::Transferring)
    }

    fn here(&self) -> usize {
        self.rest[self.asked].len()
    }

    fn bytes(&self) -> u64 {
        let parts = self.rest[self.asked].iter();
        parts
            .map(|part| PART.min(SIZE - u64::from(*part) * PART))
            .sum()
    }

    fn is_complete(&self) -> bool {
        self.here() == PARTS as usize
    }

    pub(crate) fn is_swept(&self) -> bool {
        matches!(self.phase, Phase::Aborted | Phase::Removed) || self.wrong
    }

    /// Whether it can happen. Shrinking keeps to this.
    pub(crate) fn allows(&self, transition: &Transition) -> bool {
        let transferring = self.phase == Phase::Transferring;
        let stored_now = |part: &u32| self.rest[self.asked].contains(part);
        match transition {
            Transition::Probed | Transition::ProbeBreaks | Transition::NotFound => {
                self.phase == Phase::Requested
            }
            Transition::PartComes(part) => transferring && !stored_now(part),
            Transition::PartBreaks | Transition::Changed => transferring,
            Transition::JobFails | Transition::JobVanishes | Transition::JobCancelled => {
                let runs = matches!(self.how, How::Job { .. }) && !self.lost;
                transferring && !self.is_complete() && runs
            }
            Transition::Hashed { .. } => transferring && self.hashed && self.is_complete(),
            Transition::Evicted(part) => {
                stored_now(part) && (transferring || self.phase == Phase::Available)
            }
            Transition::Swept => self.is_swept(),
            Transition::Stale(_) => self.attempt > 1,
            _ => true,
        }
    }

    pub(crate) fn take(&mut self, transition: &Transition) {
        self.refused = false;
        match transition {
            Transition::Request => self.request(0),
            Transition::RequestOther => self.request(1),
            Transition::Abort => match self.phase {
                Phase::None => self.refused = true,
                _ if self.is_running() => self.phase = Phase::Aborted,
                _ => {}
            },
            Transition::Retry => match self.phase {
                Phase::None => self.refused = true,
                Phase::Requested | Phase::Transferring => self.hurry(),
                Phase::Available => {}
                _ => self.begin(self.asked, 0),
            },
            Transition::Remove => match self.phase {
                Phase::None => self.refused = true,
                Phase::Requested | Phase::Transferring => self.phase = Phase::Aborted,
                Phase::Available | Phase::Failed | Phase::Evicted => {
                    self.phase = Phase::Removed;
                    self.wrong = false;
                }
                _ => {}
            },
            Transition::Probed => self.probed(),
            Transition::NotFound => self.phase = Phase::Failed,
            Transition::ProbeBreaks | Transition::PartBreaks => self.breaks(),
            Transition::PartComes(part) => {
                self.rest[self.asked].insert(*part);
            }
            Transition::Changed => {
                // Between two jobs nobody has asked, and what is all there needs nothing.
                if !matches!(self.how, How::Between { .. }) && !self.is_complete() {
                    self.begin_again();
                    self.waits = self.is_running();
                }
            }
            Transition::JobFails => self.job_fails(),
            Transition::JobVanishes => self.lost = true,
            Transition::JobCancelled => self.phase = Phase::Aborted,
            Transition::Hashed { right: true } => self.available(),
            Transition::Hashed { right: false } => {
                self.phase = Phase::Failed;
                self.wrong = true;
            }
            Transition::Evicted(part) => {
                self.rest[self.asked].remove(part);
                match self.phase {
                    Phase::Available => self.phase = Phase::Evicted,
                    // What came during a wait was not written down, and is not missed.
                    _ if self.bytes() >= self.written => {}
                    _ => self.begin_again(),
                }
            }
            Transition::Swept => {
                if let Some(planned) = self.planned {
                    self.rest[planned].clear();
                }
            }
            Transition::Later => self.waits = false,
            Transition::Stale(_) => {}
        }
        self.settle();
    }

    /// What anyone who looks would find.
    fn settle(&mut self) {
        if self.phase != Phase::Transferring {
            return;
        }
        match (self.is_complete(), self.hashed) {
            (true, false) => self.available(),
            (true, true) => {
                self.waits = false;
                self.rounds = 0;
                self.write();
            }
            (false, _) if matches!(self.how, How::Between { .. }) && !self.waits => {
                self.next_transfer();
            }
            (false, _) if self.lost && !self.waits => self.next_transfer(),
            _ => {}
        }
        if self.phase == Phase::Transferring && !self.waits {
            self.write();
        }
    }

    /// What came is written down, and no round has failed since.
    fn write(&mut self) {
        if self.bytes() > self.written {
            self.rounds = 0;
        }
        self.written = self.bytes();
    }

    fn request(&mut self, asked: usize) {
        if self.is_running() {
            self.refused = asked != self.asked;
        } else if self.phase == Phase::Available && asked == self.asked {
            self.attempt += 1;
        } else {
            self.begin(asked, 0);
        }
    }

    fn begin(&mut self, asked: usize, restarts: u32) {
        self.asked = asked;
        self.attempt += 1;
        self.restarts = restarts;
        self.phase = Phase::Requested;
        self.rounds = 0;
        self.waits = false;
        self.lost = false;
        self.wrong = false;
    }

    /// The attempt fails, and the machine goes on by itself, but not for ever.
    fn begin_again(&mut self) {
        self.phase = Phase::Failed;
        if self.restarts < 3 {
            self.begin(self.asked, self.restarts + 1);
        }
    }

    fn probed(&mut self) {
        self.planned = Some(self.asked);
        self.waits = false;
        if self.is_complete() && !self.hashed {
            return self.available();
        }
        self.phase = Phase::Transferring;
        self.written = self.bytes();
        self.how = if self.background && !self.is_complete() {
            How::Job { base: self.here() }
        } else {
            How::Page
        };
    }

    fn available(&mut self) {
        self.phase = Phase::Available;
        self.restarts = 0;
    }

    /// Requests that break while a wait holds belong to the round before it; so many rounds end the attempt.
    fn breaks(&mut self) {
        let nobody = self.phase == Phase::Transferring && matches!(self.how, How::Between { .. });
        let needless = self.phase == Phase::Transferring && self.is_complete();
        if self.waits || nobody || needless {
            return;
        }
        self.fails_a_round();
    }

    fn fails_a_round(&mut self) {
        self.rounds += 1;
        self.waits = true;
        if self.rounds > PATIENCE {
            self.phase = Phase::Failed;
        }
    }

    fn job_fails(&mut self) {
        let How::Job { base } = self.how else {
            return;
        };
        if self.here() > base {
            self.rounds = 0;
        }
        self.written = self.bytes();
        self.how = How::Between { base };
        self.fails_a_round();
    }

    /// A job that brought nothing is followed by the page's own transfer.
    fn next_transfer(&mut self) {
        let (How::Job { base } | How::Between { base }) = self.how else {
            return;
        };
        let fruitful = self.here() > base;
        self.lost = false;
        self.how = if fruitful {
            How::Job { base: self.here() }
        } else {
            How::Page
        };
        self.waits = false;
    }

    /// A person hurries: a wait between two rounds is over. That of a page that assists a job is not one.
    fn hurry(&mut self) {
        let assists = self.phase == Phase::Transferring && matches!(self.how, How::Job { .. });
        self.waits &= assists;
    }
}

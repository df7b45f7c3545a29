//! A stage: a world and the order in which its tasks run.

use std::rc::Rc;

use super::rng::Rng;
use super::scenery::Scenery;
use super::world::World;
use crate::prove::Coverage;

/// A world at work.
pub struct Stage {
    /// The world.
    pub world: Rc<World>,
    /// How many tasks ran.
    pub steps: u64,
    /// A number made of every step: two runs of one seed have the same.
    pub fingerprint: u64,
    /// Chooses the order of tasks: apart from what happens in them.
    order: Rng,
}

impl Stage {
    /// A stage on which nothing has happened yet.
    #[must_use]
    pub fn new(scenery: Scenery, mut rng: Rng, coverage: &Rc<Coverage>, traced: bool) -> Self {
        let order = Rng::new(rng.number());
        Self {
            world: World::new(scenery, rng, Rc::clone(coverage), traced),
            steps: 0,
            fingerprint: 0,
            order,
        }
    }

    /// Lets one task run, or time pass until one can; whether anything was left to do.
    pub fn step(&mut self) -> bool {
        let order = &mut self.order;
        let ran = self.world.executor.run_one(|len| order.index(len));
        let Some((task, context)) = ran else {
            let Some(at) = self.world.executor.next_timer() else {
                return false;
            };
            self.world.executor.advance_to(at);
            return true;
        };
        self.steps += 1;
        for number in [task, u64::from(context), self.world.now()] {
            self.fingerprint = (self.fingerprint ^ number).wrapping_mul(0x0100_0000_01b3);
        }
        true
    }

    /// Goes on until this is so; whether it came to that within so many microseconds.
    pub fn until(&mut self, within: u64, so: impl Fn(&World) -> bool) -> bool {
        let end = self.world.now().saturating_add(within);
        while !so(&self.world) {
            if self.world.now() > end || !self.step() {
                return false;
            }
        }
        true
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.world.end();
    }
}

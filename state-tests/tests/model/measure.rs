//! L8 in full: that no life goes on for ever.
//!
//! Where nothing more happens by itself the download has ended: that is checked at every moment. What is left to show is
//! that this comes about, whatever the order: that no moment can be followed by itself. Then there is a measure that
//! falls with each step, namely the length of the longest life that is still ahead, and every life ends after finitely
//! many steps, however unfair the order.

use crate::actions::{Action, all};
use crate::moment::Moment;
use crate::world::World;
use crate::worlds::{
    BLACKOUT, CHANGED, CRASH, LOST_MESSAGES, NOT_FOUND, OPENING, REMOVED, VANISHING_JOB,
};
use stateright::Model;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// The same for equal moments; that two others share one of a few hundred thousand is not to be expected.
fn fingerprint(moment: &Moment) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(moment)
}

/// The longest life of a world, in steps.
///
/// # Panics
/// Where a moment follows itself.
#[track_caller]
fn longest_life(world: &World) -> usize {
    // Of moments that are done: the longest life ahead. `None`: on the way that is being walked.
    let mut ahead = HashMap::new();
    let mut way: Vec<(Moment, Vec<Action>, usize, u64)> = Vec::new();
    let enter = |moment: Moment| {
        let mut actions = Vec::new();
        all(world, &moment, &mut actions);
        let print = fingerprint(&moment);
        (moment, actions, 0, print)
    };
    let first = world.init_states().remove(0);
    way.push(enter(first));
    let mut longest = 0;
    while let Some((moment, actions, life, print)) = way.last_mut() {
        ahead.entry(*print).or_insert(None);
        let Some(action) = actions.pop() else {
            longest = *life;
            ahead.insert(*print, Some(longest));
            way.pop();
            if let Some((_, _, before, _)) = way.last_mut() {
                *before = (*before).max(longest + 1);
            }
            continue;
        };
        let next = world.after(moment, action.clone());
        match ahead.get(&fingerprint(&next)) {
            Some(Some(known)) => *life = (*life).max(known + 1),
            Some(None) => panic!("{action:?} leads back to {next:#?}"),
            None => way.push(enter(next)),
        }
    }
    longest
}

macro_rules! measured {
    ($($name:ident($world:ident, $steps:literal);)*) => {
        $(#[test]
        fn $name() {
            assert_eq!(longest_life(&$world), $steps);
        })*
    };
}

measured! {
    every_life_ends_wherever_a_tab_or_the_worker_dies(CRASH, 85);
    every_life_ends_although_messages_are_lost(LOST_MESSAGES, 62);
    every_life_ends_where_a_record_is_not_found(NOT_FOUND, 62);
    every_life_ends_where_a_job_vanishes(VANISHING_JOB, 82);
    every_life_ends_wherever_the_browser_is_killed(BLACKOUT, 85);
    every_life_ends_whenever_a_page_opens_while_a_completion_is_handled(OPENING, 106);
    every_life_ends_whenever_a_download_is_removed_and_asked_for_again(REMOVED, 79);
    every_life_ends_whenever_the_file_changes(CHANGED, 60);
}

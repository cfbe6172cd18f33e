//! The buffers of a connection, of which no more is memory than what bytes passed through.
//!
//! ureq's own are written over with zeros from end to end before they are used. Most connections carry heads and small documents alone
//! through theirs: large bodies go other ways over plain connections, and of a pull a few hundred bytes are sent. With 64 connections,
//! the difference is some megabytes.

use std::fmt;

use ureq::config::Config;
use ureq::unversioned::transport::Buffers;

/// What ureq wants to have for bodies whose length isn't told, in bytes.
const LEAST_SCRATCH: usize = 10 * 1024;

/// The bytes that came and weren't taken, and those that are to go.
pub(crate) struct Room {
    input: Vec<u8>,
    /// Where the bytes that weren't taken begin and end.
    begin: usize,
    end: usize,
    /// Something was taken last time: there may be more that can be.
    has_progress: bool,
    output: Vec<u8>,
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room")
            .field("begin", &self.begin)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl Room {
    /// Buffers of the sizes of an agent's.
    pub fn new(config: &Config) -> Room {
        Room {
            // So made, and not grown, they are the system's zeros: memory once something else is written.
            input: vec![0; config.input_buffer_size()],
            begin: 0,
            end: 0,
            has_progress: false,
            output: vec![0; config.output_buffer_size()],
        }
    }

    /// What there is room for behind the bytes that weren't taken, which go to the front.
    fn free(&mut self) -> &mut [u8] {
        self.input.copy_within(self.begin..self.end, 0);
        self.end -= self.begin;
        self.begin = 0;
        &mut self.input[self.end..]
    }
}

impl Buffers for Room {
    fn output(&mut self) -> &mut [u8] {
        &mut self.output
    }

    fn input(&self) -> &[u8] {
        &self.input[self.begin..self.end]
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.free()
    }

    fn input_appended(&mut self, amount: usize) {
        self.end = self.input.len().min(self.end + amount);
    }

    fn input_consume(&mut self, amount: usize) {
        self.has_progress = amount > 0;
        self.begin = self.end.min(self.begin + amount);
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        if self.free().len() < LEAST_SCRATCH {
            self.input.resize(self.end + LEAST_SCRATCH, 0);
        }
        (&mut self.input[self.end..], &mut self.output)
    }

    fn can_use_input(&self) -> bool {
        self.begin < self.end && self.has_progress
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use ureq::unversioned::transport::LazyBuffers;

    use super::*;

    /// What a connection and ureq do with buffers.
    #[derive(Debug, Clone)]
    enum Step {
        Come(usize),
        Take(usize),
        Scratch,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        vec(
            prop_oneof![
                (0..100_000_usize).prop_map(Step::Come),
                (0..100_000_usize).prop_map(Step::Take),
                Just(Step::Scratch),
            ],
            0..40,
        )
    }

    /// Does a step, with bytes that are numbered from `next` on: how many came.
    fn act(buffers: &mut dyn Buffers, step: &Step, next: usize) -> usize {
        match *step {
            Step::Come(most) => {
                let room = buffers.input_append_buf();
                // What there is room for at least, whichever way it is kept.
                let count = most.min(room.len()).min(1000);
                let came = room[..count].iter_mut().enumerate();
                came.for_each(|(at, byte)| *byte = ((next + at) % 251) as u8);
                buffers.input_appended(count);
                count
            }
            Step::Take(most) => {
                let count = most.min(buffers.input().len());
                buffers.input_consume(count);
                0
            }
            Step::Scratch => {
                let (scratch, output) = buffers.tmp_and_output();
                assert!(scratch.len() >= LEAST_SCRATCH && output.len() == 2048);
                scratch.fill(255);
                0
            }
        }
    }

    proptest! {
        #[test]
        fn it_holds_what_ureqs_own_would(steps in steps()) {
            let config = ureq::Agent::config_builder()
                .input_buffer_size(64 * 1024)
                .output_buffer_size(2048)
                .build();
            let (mut room, mut model) = (Room::new(&config), LazyBuffers::new(64 * 1024, 2048));
            let mut next = 0;
            for step in &steps {
                let came = act(&mut room, step, next);
                prop_assert_eq!(came, act(&mut model, step, next));
                next += came;
                prop_assert!(room.input() == model.input());
                prop_assert_eq!(room.can_use_input(), model.can_use_input());
            }
        }
    }
}

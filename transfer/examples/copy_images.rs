//! Copies images to a directory or a registry: `cargo run --example copy_images -- local:///tmp/images alpine:3.19 busybox:1.36`.

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use transload_transfer::job::{Job, Location};
use transload_transfer::{Observer, Options, Status, Unobserved, run};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let destination = arguments
        .next()
        .ok_or("the destination comes first, then images")?;
    let mut job = Job::new("copy", Location::parse_argument(&destination)?.into());
    for image in arguments {
        job.images.push(image.parse()?);
    }
    let observer: Arc<dyn Observer> = Arc::new(Unobserved);
    let summary = match run(&[job], &Options::default(), &observer) {
        Ok(summary) => summary,
        Err(problems) => {
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            return Ok(ExitCode::from(2));
        }
    };
    for outcome in summary.jobs.iter().flat_map(|job| &job.images) {
        match &outcome.status {
            Status::Failed(fault) => println!("{}: {fault}", outcome.image),
            _ => println!("{} is at {}", outcome.image, outcome.destination),
        }
    }
    Ok(ExitCode::from(u8::from(!summary.is_success())))
}

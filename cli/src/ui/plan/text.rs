//! A plan for people: a line an image, what is to be seen to below it; then what would fail; totals last.

use std::fmt::{self, Write as _};
use std::path::Path;

use transload_transfer::job::Target;
use transload_transfer::{Disk, ImageOutcome, ImagePreview, JobPreview, Preview, Route, Status};

use super::Totals;
use super::hosts::print_host;
use crate::ui::causes::failures;
use crate::ui::format::{bytes, count, path, platform_list, short_digest};
use crate::ui::output;
use crate::ui::paint::Painter;
use crate::ui::platforms::{self, Shares};

/// Where notes on an image begin.
const NOTE: &str = "          ";

/// What the tasks would do, image by image and in total. `of_arguments` tells whether they are from the command line alone.
pub fn plan_text(plans: &[JobPreview], of_arguments: bool) -> String {
    let mut text = String::new();
    for (at, plan) in plans.iter().enumerate() {
        if at > 0 {
            text.push('\n');
        }
        print_job(&mut text, plan, of_arguments);
    }
    if plans.len() > 1 {
        let _ = writeln!(
            text,
            "\n{} in all: {}",
            count(plans.len(), "task"),
            Totals::of(plans)
        );
    }
    text
}

fn print_job(text: &mut String, plan: &JobPreview, of_arguments: bool) {
    if plan.comes_later {
        let _ = writeln!(
            text,
            "{}: its images are known once the task before it is done",
            plan.job
        );
        return;
    }
    let from = only_directory(plan, |image| &image.from);
    let into = only_directory(plan, |image| &image.to);
    let _ = write!(text, "{}: {}", plan.job, count(plan.images.len(), "image"));
    if let Some(from) = from {
        let _ = write!(text, " from {}", path(from));
    }
    if let Some(into) = into {
        let _ = write!(text, " into {}", path(into));
    }
    text.push('\n');
    for warning in &plan.warnings {
        let _ = writeln!(text, "  warning: {warning}");
    }
    if !plan.images.is_empty() {
        print_row(text, "", "to move", "there", "image");
    }
    for image in &plan.images {
        print_image(text, image, from.is_none(), into.is_none());
    }
    print_failures(text, &plan.images);
    if !plan.images.is_empty() {
        text.push('\n');
    }
    for host in &plan.hosts {
        print_host(text, host, &plan.images, of_arguments);
    }
    for project in &plan.projects {
        let _ = writeln!(text, "  project: would create {project}");
    }
    for disk in &plan.disks {
        print_disk(text, disk);
    }
    let totals = Totals::of(std::slice::from_ref(plan));
    print_platforms(text, &totals);
    if let Some(own) = platforms::own().filter(|_| plan.takes_all_platforms) {
        let contents = plan.images.iter().filter_map(|image| match &image.result {
            Ok(Preview::Moves { contents, .. }) => Some(&**contents),
            _ => None,
        });
        if let Some(told) = Shares::of(contents, &own).text(&own) {
            let _ = writeln!(text, "  {told}");
        }
    }
    let _ = writeln!(text, "  total: {totals}");
}

/// The directory that this end of every image is in, so that it needs to be said once only.
fn only_directory(plan: &JobPreview, end: impl Fn(&ImagePreview) -> &Target) -> Option<&Path> {
    let mut directories = plan.images.iter().map(|image| directory_of(image, &end));
    let first = directories.next()??;
    directories.all(|other| other == Some(first)).then_some(first)
}

fn directory_of<'a>(
    image: &'a ImagePreview,
    end: &impl Fn(&'a ImagePreview) -> &'a Target,
) -> Option<&'a Path> {
    end(image).path()
}

fn print_row(text: &mut String, state: &str, to_move: &str, there: &str, image: &str) {
    let _ = writeln!(text, "  {state:<5}  {to_move:>10}  {there:>10}  {image}");
}

fn print_image(text: &mut String, image: &ImagePreview, says_source: bool, says_destination: bool) {
    let name = end(&image.from, says_source);
    match &image.result {
        Err(_) => print_row(text, "FAILS", "", "", &name),
        Ok(Preview::Skipped(_)) => print_row(text, "skip", "", "", &name),
        Ok(Preview::Moves {
            to_move,
            there,
            is_there,
            ..
        }) => {
            let state = if *is_there { "there" } else { "move" };
            print_row(text, state, &bytes(to_move.bytes), &bytes(there.bytes), &name);
        }
    }
    let is_renamed = image.from.reference() != image.to.reference();
    if is_renamed || says_destination && image.to.path().is_some() {
        print_row(
            text,
            "",
            "",
            "",
            &format!("-> {}", end(&image.to, says_destination)),
        );
    }
    match &image.result {
        Err(_) => {}
        Ok(Preview::Skipped(reason)) => {
            let _ = writeln!(text, "{NOTE}{}", without_name(reason, image));
        }
        Ok(Preview::Moves {
            source_digest,
            digest,
            platforms,
            warnings,
            verified_by,
            referrers,
            left_referrers,
            ..
        }) => {
            if !verified_by.is_empty() {
                let _ = writeln!(text, "{NOTE}verified by {}", verified_by.join(" and "));
            }
            if source_digest != digest {
                let _ = writeln!(
                    text,
                    "{NOTE}index {} becomes {} with {} alone",
                    short_digest(source_digest),
                    short_digest(digest),
                    platform_list(platforms)
                );
            }
            let left = left_referrers.unasked;
            for (number, what) in [
                (referrers.len(), "comes along"),
                (left, "is left behind: --referrers all brings it along"),
            ] {
                let what = match number {
                    0 => continue,
                    1 => what.to_owned(),
                    _ => what
                        .replace("comes", "come")
                        .replace("is left", "are left")
                        .replace("it along", "them along"),
                };
                let _ = writeln!(text, "{NOTE}{} {what}", count(number, "referrer"));
            }
            if left_referrers.of_index > 0 {
                let _ = writeln!(
                    text,
                    "{NOTE}the index's signature isn't carried: `--index original` keeps it"
                );
            }
            for warning in warnings {
                let _ = writeln!(text, "{NOTE}warning: {}", without_name(warning, image));
            }
        }
    }
}

/// An end's name, with its directory where that isn't said for all.
fn end(end: &Target, says_directory: bool) -> String {
    match end.path() {
        Some(folder) if says_directory => format!("{} in {}", end.reference(), path(folder)),
        _ => end.reference().to_string(),
    }
}

/// What is said of an image, below its name.
fn without_name<'a>(said: &'a str, image: &ImagePreview) -> &'a str {
    let name = image.from.to_string();
    said.strip_prefix(&name).map_or(said, str::trim_start)
}

/// The images that would fail, by their causes.
fn print_failures(text: &mut String, images: &[ImagePreview]) {
    let failing = images.iter().filter_map(|image| {
        let fault = image.result.as_ref().err()?;
        let route = Route {
            image: image.image.clone(),
            label: image.image.clone(),
            source: image.from.to_string(),
            destination: image.to.to_string(),
        };
        Some(ImageOutcome::blank(route, Status::Failed(fault.clone())))
    });
    let failing: Vec<ImageOutcome> = failing.collect();
    if !failing.is_empty() {
        let all = "each is marked FAILS above";
        let told = failures(failing.iter(), all, output::out_width(), Painter::of_out());
        let _ = write!(text, "\nWould fail:\n{told}");
    }
}

fn print_disk(text: &mut String, disk: &Disk) {
    let _ = write!(
        text,
        "  disk: {} to write in {}",
        bytes(disk.to_write),
        path(&disk.folder)
    );
    if let Some(free) = disk.free {
        let _ = write!(text, ", {} free", bytes(free));
        if disk.taken > 0 {
            let taken = bytes(disk.taken);
            let _ = write!(
                text,
                ", of which {taken} are for earlier images on the same filesystem"
            );
        }
    }
    if disk.missing() > 0 {
        let _ = write!(
            text,
            ": {} too few, so some images would fail",
            bytes(disk.missing())
        );
    }
    text.push('\n');
}

/// How many images have which platform, and how many lack one.
fn print_platforms(text: &mut String, totals: &Totals) {
    let mut print = |what: &str, platforms: Vec<String>| {
        if !platforms.is_empty() {
            let _ = writeln!(text, "  {what}: {}", platforms.join(", "));
        }
    };
    let mut there: Vec<String> = totals
        .platforms
        .iter()
        .map(|(platform, images)| format!("{platform} ({})", count(*images, "image")))
        .collect();
    if totals.unknown > 0 {
        there.push(format!("not looked at ({})", count(totals.unknown, "image")));
    }
    print("platforms", there);
    let missing = totals.missing.iter();
    let missing = missing.map(|(platform, images)| format!("{platform} (in {})", count(*images, "image")));
    print("missing platforms", missing.collect());
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&count(self.images, "image"))?;
        let kinds = [
            (self.to_move, "to move"),
            (self.there, "there already"),
            (self.skipped, "left out"),
            (self.fail, "would fail"),
        ];
        let kinds: Vec<String> = kinds
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| format!("{number} {what}"))
            .collect();
        if !kinds.is_empty() {
            write!(f, " ({})", kinds.join(", "))?;
        }
        write!(
            f,
            "; {} in {} to move, {} in {} there already or shared",
            bytes(self.blobs_to_move.bytes),
            count(self.blobs_to_move.blobs, "blob"),
            bytes(self.blobs_there.bytes),
            count(self.blobs_there.blobs, "blob")
        )
    }
}

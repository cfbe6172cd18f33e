//! What a run would do, for people.

use std::io::{self, Write};

use super::format::{bytes, count, platform_list, short_digest, way};
use crate::transfer::{Count, Disk, ImagePreview, JobPreview, Preview};

/// Prints what the tasks would do, image by image and in total.
///
/// # Errors
/// Where it can't be written.
pub fn print_plan(plans: &[JobPreview], out: &mut dyn Write) -> io::Result<()> {
    for plan in plans {
        print_job(plan, out)?;
    }
    Ok(())
}

fn print_job(plan: &JobPreview, out: &mut dyn Write) -> io::Result<()> {
    if plan.comes_later {
        return writeln!(
            out,
            "{}: its images are known once the task before it is done",
            plan.job
        );
    }
    writeln!(out, "{}: {}", plan.job, count(plan.images.len(), "image"))?;
    for warning in &plan.warnings {
        writeln!(out, "  warning: {warning}")?;
    }
    let (mut to_move, mut there) = (Count::default(), Count::default());
    for image in &plan.images {
        print_image(image, out)?;
        if let Ok(Preview::Moves {
            to_move: moves,
            there: is_there,
            ..
        }) = &image.result
        {
            to_move.add(moves.blobs, moves.bytes);
            there.add(is_there.blobs, is_there.bytes);
        }
    }
    write!(
        out,
        "  total: {} in {} to move, {} in {} there already or shared",
        bytes(to_move.bytes),
        count(to_move.blobs, "blob"),
        bytes(there.bytes),
        count(there.blobs, "blob")
    )?;
    match plan.images.iter().filter(|image| image.result.is_err()).count() {
        0 => writeln!(out)?,
        fail => writeln!(out, ", {} would fail", count(fail, "image"))?,
    }
    for disk in &plan.disks {
        print_disk(disk, out)?;
    }
    for (registry, user) in &plan.logins {
        match user {
            Some(user) => writeln!(out, "  login: {user} at {registry}")?,
            None => writeln!(out, "  login: none at {registry}")?,
        }
    }
    Ok(())
}

fn print_disk(disk: &Disk, out: &mut dyn Write) -> io::Result<()> {
    write!(
        out,
        "  disk: {} to write in {}",
        bytes(disk.to_write),
        disk.folder.display()
    )?;
    match disk.free {
        None => writeln!(out),
        Some(free) if free < disk.to_write => {
            let missing = bytes(disk.to_write - free);
            writeln!(
                out,
                ", {} free: {missing} too few, so some images would fail",
                bytes(free)
            )
        }
        Some(free) => writeln!(out, ", {} free", bytes(free)),
    }
}

fn print_image(image: &ImagePreview, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "  {}", way(&image.source, &image.destination))?;
    match &image.result {
        Err(fault) => {
            writeln!(out, "    fails: {fault}")?;
            fault
                .hint()
                .map_or(Ok(()), |hint| writeln!(out, "    hint: {hint}"))
        }
        Ok(Preview::Skipped(reason)) => writeln!(out, "    skipped: {reason}"),
        Ok(Preview::Moves {
            source_digest,
            digest,
            platforms,
            to_move,
            there,
            warnings,
        }) => {
            if source_digest == digest {
                write!(out, "    {}", short_digest(digest))?;
            } else {
                write!(
                    out,
                    "    {} becomes {}",
                    short_digest(source_digest),
                    short_digest(digest)
                )?;
            }
            if !platforms.is_empty() {
                write!(out, "  {}", platform_list(platforms))?;
            }
            writeln!(
                out,
                "  {} to move, {} there",
                bytes(to_move.bytes),
                bytes(there.bytes)
            )?;
            warnings
                .iter()
                .try_for_each(|warning| writeln!(out, "    warning: {warning}"))
        }
    }
}

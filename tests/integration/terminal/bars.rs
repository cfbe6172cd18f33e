//! Bars, on a real pseudo-terminal.

use transload_test_support::scripted::{Action, Fault, Reply};

use super::pty::{Kind, Terminal};
use super::{MIB, Stage, assert_said};

/// One image that is copied, and four whose bytes stop coming.
fn stalled() -> Stage {
    let mut stage = Stage::new();
    stage.put("team/web", MIB / 2, []);
    for (name, mib) in [("app", 1), ("database-with-quite-a-long-name", 2), ("cache", 3)] {
        stage.put(
            &format!("team/{name}"),
            4 * MIB,
            [Action::Stall { after: mib * MIB }],
        );
    }
    stage
}

/// Whether the screen shows a run on which nothing moves any more.
fn is_quiet(screen: &str) -> bool {
    is_stalled(screen) && screen.contains("copied")
}

/// Whether nothing moves, and no time is told that would be left at the earlier rate.
fn is_stalled(screen: &str) -> bool {
    screen.contains("stalled for") && !screen.contains(" left")
}

/// Whether the three transfers are drawn as they are drawn for a terminal of this width.
fn is_drawn(screen: &str, columns: usize) -> bool {
    let (_, below) = screen.rsplit_once('[').unwrap_or_default();
    let transfers: Vec<&str> = below
        .lines()
        .skip(1)
        .filter(|line| line.starts_with("  "))
        .collect();
    let is_drawn = |line: &&str| {
        line.chars().count() == columns.min(110) - 1
            && line.ends_with('%')
            && line.contains(" of ") == (columns > 60)
    };
    below.contains("1/4 images") && transfers.len() == 3 && transfers.iter().all(is_drawn)
}

/// No row is broken, and no bar is there but the last.
#[track_caller]
fn assert_whole(screen: &str, columns: usize) {
    let bars: Vec<&str> = screen
        .lines()
        .filter(|line| line.starts_with('[') && line.contains(']'))
        .collect();
    assert_eq!(bars.len(), 1, "{screen}");
    let (_, below) = screen.split_once(bars[0]).expect("the bar is on the screen");
    for line in below.lines() {
        assert!(line.chars().count() < columns, "{line}\n{screen}");
        assert!(!line.contains("copied"), "{screen}");
    }
}

#[test]
fn screens_of_a_run_in_terminals_of_several_sizes() {
    let stage = stalled();
    let terminal = Terminal::start(stage.pull(&[]), 80, 24);
    let low_stage = stalled();
    let low = Terminal::start(low_stage.pull(&[]), 40, 5);
    let usual = terminal.wait_for(|screen| is_quiet(screen) && is_drawn(screen, 80));
    assert_whole(&usual, 80);
    let mut screens = vec![("80 columns", usual)];
    terminal.resize(40, 24);
    let screen = terminal.wait_for(|screen| is_drawn(screen, 40));
    assert_whole(&screen, 40);
    screens.push(("40 columns", screen));
    terminal.resize(120, 24);
    let screen = terminal.wait_for(|screen| is_drawn(screen, 120));
    assert_whole(&screen, 120);
    screens.push(("120 columns", screen));
    let low = low.wait_for(|screen| is_stalled(screen) && screen.contains("and 3 more"));
    screens.push(("40 columns, 5 rows", low_stage.shown(&low)));
    stage.registry.wait_until_stalled(3);
    stage.registry.release();
    let (code, all) = terminal.finish();
    assert_eq!(code, Some(0), "{all}");
    screens.push(("the end", all));
    let text: Vec<String> = screens
        .iter()
        .map(|(title, screen)| format!("--- {title}\n{}", with_sorted_transfers(&stage.shown(screen))))
        .collect();
    let ended = without_order(&text.concat());
    assert_said!(ended);
}

/// Images stand in the order of what they have left to do and how quick they are, and the latter is up to chance.
fn with_sorted_transfers(screen: &str) -> String {
    let mut lines: Vec<&str> = screen.lines().collect();
    let is_transfer = |line: &str| line.starts_with("  ") && line.ends_with('%');
    if let Some(first) = lines.iter().position(|line| is_transfer(line)) {
        let count = lines[first..].iter().take_while(|line| is_transfer(line)).count();
        lines[first..first + count].sort_unstable();
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The images that are copied at the end come in any order, and take any time.
fn without_order(text: &str) -> String {
    let (before, end) = text.split_once("--- the end\n").expect("an end");
    let mut lines: Vec<&str> = end.lines().collect();
    let copied = lines
        .iter()
        .take_while(|line| !line.starts_with("pull: 4 images in"))
        .count();
    lines[1..copied].sort_unstable();
    let lines: Vec<String> = lines
        .iter()
        .map(|line| match line.split_once(" images in ") {
            Some((images, rest)) => {
                let (_, what) = rest.split_once(": ").expect("a total");
                format!("{images} images in TIME: {what}\n")
            }
            None => format!("{line}\n"),
        })
        .collect();
    format!("{before}--- the end\n{}", lines.concat())
}

/// Some terminals break lines anew when they become narrower, some cut them off. Neither keeps pieces of old bars.
#[test]
fn nothing_of_old_bars_stays_after_a_resize() {
    for kind in [Kind::Breaks, Kind::Cuts] {
        let stage = stalled();
        let terminal = Terminal::of_kind(kind, stage.pull(&[]), 100, 20);
        terminal.wait_for(|screen| is_drawn(screen, 100));
        for columns in [60, 45, 90, 33, 120] {
            terminal.resize(columns, 20);
            let screen = terminal.wait_for(|screen| is_drawn(screen, columns.into()));
            assert_whole(&screen, usize::from(columns));
        }
        stage.registry.wait_until_stalled(3);
        stage.registry.release();
        let (code, all) = terminal.finish();
        assert_eq!(code, Some(0), "{all}");
        assert!(!all.contains('['), "{kind:?}: {all}");
    }
}

#[test]
fn what_is_tried_again_is_seen_with_its_cause_while_it_happens() {
    let mut stage = Stage::new();
    let busy = Reply::status(503).header("Retry-After", "4");
    stage.put("team/app", MIB, [Action::AnswerLate(busy)]);
    let terminal = Terminal::start(stage.pull(&[]), 110, 24);
    // The config is there by then: a registry that says it is busy is asked for nothing for a while.
    terminal.wait_for(|screen| screen.contains("282 B of"));
    stage.registry.wait_until_stalled(1);
    stage.registry.release();
    let parts = ["trying again in", "at most", "282 B of"];
    let screen = terminal
        .wait_for(|screen| parts.iter().all(|part| screen.contains(part)) && screen.lines().count() == 6);
    // There is a speed once it is known.
    let shown = stage
        .shown(&screen)
        .replace("  SPEED B/s", "")
        .replace("  TIME left", "");
    let (code, all) = terminal.finish();
    assert_eq!(code, Some(0), "{all}");
    assert_said!(shown);
}

#[test]
fn logs_and_outcomes_stand_above_the_bars_in_lines_of_their_own() {
    let mut stage = Stage::new();
    for name in ["app", "web", "db", "cache", "queue", "proxy"] {
        let cut = || Action::Truncate { after: MIB / 4 };
        stage.put(&format!("team/{name}"), MIB, [cut(), cut()]);
    }
    let terminal = Terminal::start(stage.pull(&["-v"]), 250, 12);
    let (code, all) = terminal.finish();
    assert_eq!(code, Some(0), "{all}");
    let mut logged = 0;
    for line in all.lines() {
        let is_log = line.starts_with("[20") && line.contains("Z INFO ")
            || line.starts_with("[20") && line.contains("Z WARN ");
        logged += usize::from(is_log);
        let is_own = is_log
            || line.is_empty()
            || line == "pull: 6 images"
            || line.starts_with("copied   ")
            || line.starts_with("pull: 6 images in ")
            || line.starts_with("  12 retries: the connection was cut")
            || line.starts_with("  moved ");
        assert!(is_own, "{line}\n{all}");
    }
    assert!(logged >= 12, "each cut is told of: {all}");
    assert_eq!(all.matches("copied   ").count(), 6, "{all}");
}

#[test]
fn figures_on_a_terminal_never_go_back() {
    let mut stage = Stage::new();
    for name in ["app", "web", "db"] {
        // Wrong bytes are fetched again from the beginning.
        let slow = Action::Trickle {
            piece: MIB / 4,
            pause: std::time::Duration::from_millis(60),
        };
        stage.put(
            &format!("team/{name}"),
            4 * MIB,
            [Action::Corrupt { at: 3 * MIB }, slow],
        );
    }
    let mut terminal = Terminal::start(stage.pull(&[]), 100, 24);
    terminal.wait_for_end();
    let (mut bytes, mut done, mut filled, mut seen) = (0.0, 0, 0, 0);
    for screen in terminal.screens() {
        let lines: Vec<&str> = screen.lines().collect();
        let whole = lines.iter().zip(lines.iter().skip(1));
        let mut drawn = whole.filter(|(bar, figures)| {
            bar.starts_with('[') && bar.ends_with('%') && figures.contains("/3 images")
        });
        let Some((bar, line)) = drawn.next() else { continue };
        let figure = |text: &str| -> f64 {
            let (number, unit) = text.split_once(' ').expect("a number and its unit");
            let unit = match unit {
                "B" => 1.0,
                "KiB" => 1024.0,
                _ => (1 << 20) as f64,
            };
            number.parse::<f64>().expect("a number") * unit
        };
        let bar = bar.matches(['=', '>']).count();
        if let Some((before, _)) = line.split_once(" of ") {
            let now = figure(before.trim());
            assert!(now >= bytes, "{bytes} then {line}");
            bytes = now;
        }
        let (before, _) = line.split_once("/3 images").expect("images done of all");
        let images: usize = before
            .rsplit(' ')
            .next()
            .and_then(|number| number.parse().ok())
            .expect("how many images are done");
        assert!(
            images >= done && bar >= filled,
            "{done} and {filled}, then {line}"
        );
        (done, filled) = (images, bar);
        seen += 1;
    }
    assert!(seen > 5, "{:#?}", terminal.screens());
}

#[test]
fn a_pull_of_forty_images_leaves_no_more_lines_than_its_results() {
    let mut stage = Stage::new();
    for number in 0..40 {
        let slow = Action::Trickle {
            piece: MIB / 16,
            pause: std::time::Duration::from_millis(20),
        };
        stage.put(&format!("team/app-{number}"), MIB / 2, [slow]);
    }
    let mut terminal = Terminal::start(stage.pull(&[]), 80, 24);
    terminal.wait_for_end();
    let (raw, screens) = (terminal.raw(), terminal.screens());
    let (code, all) = terminal.finish();
    assert_eq!(code, Some(0), "{all}");
    // The first line, the results, the total, what moved.
    assert!(all.trim_end().lines().count() <= 40 + 4, "{all}");
    assert_eq!(all.matches("copied   ").count(), 40, "{all}");
    assert!(raw.contains("\x1b[?2026h") && !raw.contains("\x1b[2J"));
    let most = screens.iter().filter_map(|screen| {
        let (_, below) = screen.rsplit_once("\n[")?;
        Some(below.lines().count())
    });
    let most = most.max();
    assert!(most.is_some_and(|most| (3..=8).contains(&most)), "{most:?}");
}

#[test]
fn progress_takes_as_many_lines_as_are_wanted() {
    let stage = stalled();
    let terminal = Terminal::start(stage.pull(&["--progress-lines", "3"]), 80, 24);
    let screen = terminal.wait_for(|screen| screen.contains("and 3 more"));
    let (_, below) = screen.rsplit_once("\n[").expect("a bar");
    assert_eq!(below.lines().count(), 3, "{screen}");
    stage.registry.wait_until_stalled(3);
    stage.registry.release();
    let (code, all) = terminal.finish();
    assert_eq!(code, Some(0), "{all}");
}

#[test]
fn a_build_server_gets_lines_without_colours_even_on_a_terminal() {
    let mut stage = Stage::new();
    stage.put("team/app", MIB, []);
    let mut terminal = Terminal::start(stage.pull(&[]).env("CI", "true"), 80, 24);
    terminal.wait_for_end();
    let raw = terminal.raw();
    assert!(!raw.contains('\x1b'), "{raw}");
    // Lines may be of any length there.
    assert!(
        raw.contains(":v1 -> out  sha256:") && raw.contains("  1.00 MiB  "),
        "{raw}"
    );
}

/// Forty images, none of which may be pulled.
fn denied() -> Stage {
    let mut stage = Stage::new();
    for number in 0..40 {
        stage.put(&format!("team/app-{number}"), 1, []);
    }
    let denied = Action::Answer(Reply::status(403).error("DENIED", "no"));
    stage
        .registry
        .fault(Fault::new("*", "/manifests/", denied).every());
    stage
}

#[test]
fn failures_are_told_once_at_the_end_and_by_their_cause() {
    let stage = denied();
    let terminal = Terminal::start(stage.pull(&[]), 80, 24);
    let (code, all) = terminal.finish();
    assert_eq!(code, Some(1), "{all}");
    assert!(all.trim_end().lines().count() <= 24, "{all}");
    assert_eq!(all.matches("DENIED").count(), 1, "{all}");
    assert_eq!(all.matches("hint: ").count(), 1, "{all}");
    assert!(
        all.contains("40 images: source: ") && all.contains("and 32 more"),
        "{all}"
    );
    assert!(
        !all.contains("Run the same command again"),
        "another try is in vain: {all}"
    );
}

/// A log has each image in one line, and each cause once.
#[test]
fn failures_in_a_log_are_a_line_an_image_and_told_by_their_cause() {
    let stage = denied();
    let output = stage.pull(&[]).run().expect_code(1);
    assert_eq!(
        output.stdout.matches("failed   ").count(),
        40,
        "{}",
        output.stdout
    );
    assert_eq!(output.stdout.lines().count(), 40 + 1, "{}", output.stdout);
    assert_eq!(output.stdout.matches("DENIED").count(), 1, "{}", output.stdout);
    for image in &stage.images {
        let cause = output.cause_of(image).unwrap_or_default();
        assert!(cause.contains("DENIED"), "{image}: {}", output.stdout);
    }
    assert_eq!(output.stderr.matches("DENIED").count(), 1, "{}", output.stderr);
    assert!(output.stderr.lines().count() <= 18, "{}", output.stderr);

    let plan = stage.pull(&["--dry-run"]).run().expect_code(1).stdout;
    assert_eq!(plan.matches("  FAILS  ").count(), 40, "{plan}");
    assert_eq!(plan.matches("DENIED").count(), 1, "{plan}");
    assert!(plan.lines().count() <= 40 + 24, "{plan}");
    assert!(plan.contains("each is marked FAILS above"), "{plan}");
}

#[test]
fn a_quiet_run_draws_nothing() {
    let mut stage = Stage::new();
    stage.put("team/app", MIB, [Action::Truncate { after: MIB / 2 }]);
    let mut terminal = Terminal::start(stage.pull(&["--quiet"]), 80, 24);
    terminal.wait_for_end();
    let raw = terminal.raw();
    assert!(!raw.contains('\x1b'), "{raw}");
    assert!(raw.starts_with("pull: 1 image in "), "{raw}");
}

#[test]
fn colours_only_where_they_are_wanted_and_cursor_tricks_only_where_they_work() {
    // The flag, the variables, whether lines are painted, whether the cursor moves.
    let cases: [(&str, &str, &str, bool, bool); 6] = [
        ("auto", "", "xterm-256color", true, true),
        ("auto", "1", "xterm-256color", false, true),
        ("never", "", "xterm-256color", false, true),
        ("always", "1", "xterm-256color", true, true),
        ("auto", "", "dumb", false, false),
        ("auto", "1", "dumb", false, false),
    ];
    for (color, no_color, term, painted, moves) in cases {
        let mut stage = Stage::new();
        stage.put("team/app", MIB, [Action::Stall { after: MIB / 2 }]);
        let program = stage
            .pull(&["--color", color])
            .env("NO_COLOR", no_color)
            .env("TERM", term);
        let mut terminal = Terminal::start(program, 80, 24);
        stage.registry.wait_until_stalled(1);
        if moves {
            terminal.wait_for(|screen| screen.contains("50%"));
        }
        stage.registry.release();
        terminal.wait_for_end();
        let raw = terminal.raw();
        let colours = raw.split("\x1b[").skip(1).any(|rest| {
            let end = rest.find(|c: char| c.is_ascii_alphabetic());
            end.is_some_and(|end| rest[end..].starts_with('m'))
        });
        assert_eq!(
            (colours, raw.contains('\x1b')),
            (painted, moves),
            "{color} {no_color} {term}: {raw}"
        );
    }
}

#[test]
fn a_stopped_run_leaves_no_bars() {
    let stage = stalled();
    let terminal = Terminal::start(stage.pull(&[]), 80, 24);
    stage.registry.wait_until_stalled(3);
    terminal.wait_for(|screen| screen.contains("75%"));
    terminal.signal("INT");
    let (code, all) = terminal.finish();
    assert_eq!(code, Some(130), "{all}");
    assert!(all.contains("stopping; once more to stop at once"), "{all}");
    assert!(all.contains("Run the same command again to continue"), "{all}");
    assert!(!all.contains('[') && !all.contains('%'), "{all}");
}

#[test]
fn ctrl_z_leaves_the_terminal_to_the_shell_and_the_run_goes_on_with_its_bars() {
    let stage = stalled();
    let terminal = Terminal::start(stage.pull(&[]), 80, 24);
    terminal.wait_for(|screen| is_drawn(screen, 80));
    terminal.signal("TSTP");
    terminal.wait_for(|screen| !screen.contains('[') && screen.contains("copied"));
    terminal.signal("CONT");
    terminal.wait_for(|screen| is_drawn(screen, 80));
    stage.registry.wait_until_stalled(3);
    stage.registry.release();
    let (code, all) = terminal.finish();
    assert_eq!(code, Some(0), "{all}");
    assert!(!all.contains('['), "{all}");
}

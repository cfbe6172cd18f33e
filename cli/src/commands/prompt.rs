//! Asking on a terminal.
//!
//! While a password is typed, the terminal shows nothing and hands over each key by itself, Ctrl-C included: no signal can end the
//! program there and leave the terminal silent.

use std::io::{self, Read};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use crate::ui;

/// What came.
pub(super) enum Answer {
    Text(String),
    /// Ctrl-C.
    Stopped,
}

/// The longest line that is read, in bytes.
const LONGEST: usize = 64 * 1024;

/// Asks, and reads a line of standard input, which is a terminal: it shows what is typed only where `echo` is set.
pub(super) fn ask(question: &str, echo: bool) -> io::Result<Answer> {
    if echo {
        ui::err(question);
        let mut line = String::new();
        io::stdin().read_line(&mut line)?;
        return Ok(Answer::Text(line.trim().to_owned()));
    }
    // Before the question: who types fast is shown no more than others.
    let silence = Silence::begin()?;
    ui::err(question);
    let answer = read_keys(&mut io::stdin());
    drop(silence);
    // The end of the line wasn't shown either.
    ui::err_line("");
    answer
}

/// The terminal's settings as they were; it gets them back at the end.
struct Silence(Termios);

impl Silence {
    fn begin() -> io::Result<Silence> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes &= !(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(io::stdin(), OptionalActions::Drain, &silent)?;
        Ok(Silence(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // A terminal that went away needs no settings.
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.0);
    }
}

fn read_keys(input: &mut impl Read) -> io::Result<Answer> {
    const CTRL_C: u8 = 3;
    const CTRL_D: u8 = 4;
    const BACKSPACE: u8 = 8;
    const CTRL_U: u8 = 21;
    const DELETE: u8 = 127;
    let mut line: Vec<u8> = Vec::new();
    let mut key = [0];
    loop {
        match input.read(&mut key) {
            Ok(0) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        match key[0] {
            CTRL_C => return Ok(Answer::Stopped),
            b'\r' | b'\n' | CTRL_D => break,
            CTRL_U => line.clear(),
            BACKSPACE | DELETE => while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            byte if line.len() < LONGEST => line.push(byte),
            _ => return Err(io::Error::other("the line is too long")),
        }
    }
    String::from_utf8(line)
        .map(Answer::Text)
        .map_err(|_| io::Error::other("what was typed isn't UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8]) -> Option<String> {
        match read_keys(&mut &*keys).unwrap() {
            Answer::Text(text) => Some(text),
            Answer::Stopped => None,
        }
    }

    #[test]
    fn keys_are_taken_as_a_terminal_takes_them() {
        let table: [(&[u8], Option<&str>); 7] = [
            (b"secret\nrest", Some("secret")),
            (b"secret\r", Some("secret")),
            (b"secret", Some("secret")),
            (b"wrong\x15right\x04", Some("right")),
            ("pä\u{7f}a\u{8}\u{8}\u{8}\u{8}ok\n".as_bytes(), Some("ok")),
            ("é\n".as_bytes(), Some("é")),
            (b"sec\x03ret\n", None),
        ];
        for (keys, expected) in table {
            assert_eq!(typed(keys).as_deref(), expected, "{keys:?}");
        }
        assert!(read_keys(&mut &b"\xff\n"[..]).is_err());
    }
}

//! Reads classic BPF instructions as `tcpdump -dd` (a C array) and `tcpdump -ddd` (a count and decimal lines) print them.

use core::fmt;

use packet_ring::bpf::{Instruction, MAX_INSTRUCTIONS};

/// What is wrong, and in which line, counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Error {
    line: usize,
    what: What,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    NotAnInstruction,
    Count { announced: usize, found: usize },
    Empty,
    TooLong,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match self.what {
            What::NotAnInstruction => f.write_str(
                "not an instruction: neither '{ 0x6, 0, 0, 0x00040000 },' nor '6 0 0 262144'",
            ),
            What::Count { announced, found } => {
                write!(f, "{announced} instructions announced, {found} found")
            }
            What::Empty => {
                f.write_str("no instruction: expected the output of tcpdump -dd or -ddd")
            }
            What::TooLong => write!(f, "more than {MAX_INSTRUCTIONS} instructions"),
        }
    }
}

/// Reads either form; blank lines are skipped.
pub(super) fn parse(text: &str) -> Result<Vec<Instruction>, Error> {
    let mut lines = (1..)
        .zip(text.lines().map(str::trim))
        .filter(|(_, line)| !line.is_empty())
        .peekable();
    let announced = lines.next_if(|(_, line)| line.parse::<usize>().is_ok());
    let mut program = Vec::new();
    let mut last = 1;
    for (line, content) in lines {
        last = line;
        program.push(instruction(content).ok_or(Error {
            line,
            what: What::NotAnInstruction,
        })?);
        if program.len() > MAX_INSTRUCTIONS {
            return Err(Error {
                line,
                what: What::TooLong,
            });
        }
    }
    let found = program.len();
    match announced.and_then(|(line, count)| Some((line, count.parse().ok()?))) {
        Some((line, announced)) if announced != found => Err(Error {
            line,
            what: What::Count { announced, found },
        }),
        _ if found == 0 => Err(Error {
            line: last,
            what: What::Empty,
        }),
        _ => Ok(program),
    }
}

fn instruction(line: &str) -> Option<Instruction> {
    match line.strip_prefix('{') {
        Some(rest) => {
            let fields = rest
                .strip_suffix(',')
                .unwrap_or(rest)
                .trim_end()
                .strip_suffix('}')?;
            four(fields.split(','))
        }
        None => four(line.split_whitespace()),
    }
}

fn four<'a>(mut fields: impl Iterator<Item = &'a str>) -> Option<Instruction> {
    let mut next = || number(fields.next()?.trim());
    let instruction = Instruction {
        code: next()?.try_into().ok()?,
        jump_true: next()?.try_into().ok()?,
        jump_false: next()?.try_into().ok()?,
        k: next()?,
    };
    fields.next().is_none().then_some(instruction)
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UDP: [Instruction; 2] = [
        Instruction::new(0x28, 0, 8, 0xc),
        Instruction::new(6, 0, 0, 262_144),
    ];

    #[test]
    fn reads_a_c_array() {
        assert_eq!(
            parse("{ 0x28, 0, 8, 0x0000000c },\n{ 0x6, 0, 0, 0x00040000 },\n"),
            Ok(UDP.to_vec())
        );
    }

    #[test]
    fn reads_decimal_lines_after_a_count() {
        assert_eq!(parse("2\n40 0 8 12\n6 0 0 262144\n"), Ok(UDP.to_vec()));
    }

    #[test]
    fn errors_name_their_line() {
        assert_eq!(
            parse("2\n40 0 8 12\n6 0 256 0").unwrap_err(),
            Error {
                line: 3,
                what: What::NotAnInstruction
            }
        );
        assert_eq!(
            parse("{ 0x6, 0, 0 },").unwrap_err(),
            Error {
                line: 1,
                what: What::NotAnInstruction
            }
        );
        assert_eq!(
            parse("\n3\n6 0 0 1").unwrap_err(),
            Error {
                line: 2,
                what: What::Count {
                    announced: 3,
                    found: 1
                }
            }
        );
        assert_eq!(
            parse("\n\n").unwrap_err(),
            Error {
                line: 1,
                what: What::Empty
            }
        );
        assert_eq!(
            parse("0\n").unwrap_err(),
            Error {
                line: 1,
                what: What::Empty
            }
        );
    }

    #[test]
    fn no_more_than_the_kernel_takes() {
        assert!(parse(&"6 0 0 0\n".repeat(MAX_INSTRUCTIONS)).is_ok());
        assert_eq!(
            parse(&"6 0 0 0\n".repeat(MAX_INSTRUCTIONS + 1))
                .unwrap_err()
                .what,
            What::TooLong
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-fx{},\n -]{0,80}") {
            let _ = parse(&text);
        }
    }
}

//! `packet-ring capture`.

use std::process::ExitCode;

use crate::args;
use crate::doctor;
use crate::exit::Failure;
use crate::filter::Dump;
use crate::plan::Plan;

pub(crate) fn run(args: &args::Capture) -> Result<ExitCode, Failure> {
    if args.list_interfaces {
        doctor::list_interfaces(doctor::try_to_open().is_ok())?;
        return Ok(ExitCode::SUCCESS);
    }
    let plan = Plan::new(args)?;
    let dump = match args.dump {
        0 => None,
        2 => Some(Dump::C),
        3 => Some(Dump::Decimal),
        _ => return Err(Failure::usage("there are -dd and -ddd")),
    };
    if let Some(dump) = dump {
        plan.print_program(dump);
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::SUCCESS)
}

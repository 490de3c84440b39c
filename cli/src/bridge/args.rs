//! The flags of `bridge`.

use clap::Args;

/// Flags of `bridge`.
#[derive(Debug, Args)]
#[command(after_help = crate::args::EXIT_CODES)]
pub(crate) struct Bridge {
    /// Size of the kernel's ring for each direction in MiB; with --xdp, of the memory of both
    #[arg(short = 'B', long, value_name = "MIB", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=16_384))]
    pub(crate) buffer_size: u32,

    #[command(flatten)]
    pub(crate) xdp: crate::xdp::XdpArgs,

    /// One interface
    #[arg(value_name = "IFACE")]
    pub(crate) first: String,

    /// The other
    #[arg(value_name = "IFACE")]
    pub(crate) second: String,

    /// Forward only what the filter lets through, in tcpdump's language
    #[arg(value_name = "EXPRESSION", trailing_var_arg = true)]
    pub(crate) expression: Vec<String>,
}

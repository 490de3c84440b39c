//! The ethercrab example brings up a segment that is emulated at the other end of the cable, sends it the outputs
//! of each cycle and prints the inputs that it gave, byte for byte: through packet rings and through AF_XDP.

mod common;
#[path = "ethercrab/segment.rs"]
mod segment;

use core::time::Duration;

use common::{Program, may_load, refuses, told};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Injector, Sees, VethOptions, VethPair, Witness, frame, suite};
use segment::{Datagram, LRW, Segment, datagrams};

const PATH: &str = env!("CARGO_BIN_EXE_ethercrab");
const CYCLES: u8 = 100;

/// When a test stops hoping: far beyond what a loaded machine takes.
const PATIENCE: Duration = Duration::from_secs(10);

fn a_segment_comes_up_and_its_inputs_are_printed() -> TestResult {
    operates(&VethPair::create(&VethOptions::default())?, &[])
}

fn a_segment_comes_up_through_af_xdp() -> TestResult {
    let pair = VethPair::create(&VethOptions::default())?;
    if may_load()? {
        return operates(&pair, &["xdp"]);
    }
    refuses(PATH, &[pair.far.name(), "1", "xdp"], "CAP_BPF")
}

/// Lets the example bring up a segment of two and exchange process data with it.
fn operates(pair: &VethPair, more: &[&str]) -> TestResult {
    let witness = Witness::on(&pair.near, Sees::Incoming)?;
    let injector = Injector::on(&pair.near)?;
    let mut segment = Segment::new(["PR-LEFT", "PR-RIGHT"]);
    let cycles = CYCLES.to_string();
    let arguments = [&[pair.far.name(), &cycles], more].concat();
    let program = Program::start(PATH, &arguments)?;
    // A driver takes an XDP program up by going down and up.
    pair.wait_for_carrier()?;

    let mut expected = vec!["0x1000 PR-LEFT".to_owned(), "0x1001 PR-RIGHT".to_owned()];
    let mut cycle = 0;
    let mut inputs = [[0; 4]; 2];
    let mut exchanged = 0;
    while cycle < CYCLES {
        let asked = witness.receive(PATIENCE)?.ok_or("the master is silent")?;
        let asked = asked.bytes;
        exchanged += 1;
        if datagrams(&asked)[0].command == LRW {
            assert_eq!(asked, process_data(&asked, inputs, cycle));
            inputs = [0, 1].map(|device| {
                [1, 2, 3, 4].map(|byte: u8| cycle.wrapping_mul(37) ^ byte ^ (device << 7))
            });
            segment.set_inputs(inputs);
            // In and out of two: a read counts one, a write two.
            expected.extend(inputs.map(|inputs| format!("{cycle} 6 {}", told(&inputs))));
            cycle += 1;
        }
        // What is not EtherCAT reaches the master no more than anybody's answer to another.
        let noise = frame::numbered(exchanged, frame::MIN_LEN);
        injector.send_batch(&[noise, segment.answer(&asked)])?;
        if datagrams(&asked)[0].command == LRW {
            assert_eq!(segment.outputs(), [[cycle - 1; 4]; 2]);
        }
    }
    assert_eq!(program.finish()?, expected);
    let counters = pair.far.counters()?;
    assert_eq!(counters.tx_packets, exchanged);
    assert_eq!(counters.rx_packets, 2 * exchanged);
    Ok(())
}

/// The frame of a cycle as the master is to send it: the image with the inputs of the cycle before and the outputs
/// of this one, and a look at each subdevice's state. Its numbers of datagrams are the master's own.
fn process_data(asked: &[u8], inputs: [[u8; 4]; 2], cycle: u8) -> Vec<u8> {
    const FPRD: u8 = 4;
    const AL_STATUS: u16 = 0x0130;
    let image = [inputs[0], inputs[1], [cycle; 4], [cycle; 4]].concat();
    let state = |station: u16| Datagram {
        command: FPRD,
        address: [station.to_le_bytes(), AL_STATUS.to_le_bytes()].concat(),
        data: vec![0; 2],
    };
    let image = Datagram {
        command: LRW,
        address: vec![0; 4],
        data: image,
    };
    segment::frame(asked, &[image, state(0x1000), state(0x1001)])
}

suite![
    a_segment_comes_up_and_its_inputs_are_printed,
    a_segment_comes_up_through_af_xdp,
];

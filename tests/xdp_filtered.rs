//! A filter before a socket: what it accepts is the socket's, what it rejects the network stack's.

mod xdp {
    pub(crate) mod rights;
}
mod xdp_path;

use packet_ring::bpf::{Instruction, Program as Filter, Size, Source, Statement, assemble};
use packet_ring::xdp::{Redirect, Rejected, RxTxRings};
use packet_ring_lab::suite::TestResult;
use packet_ring_lab::{Sees, Witness, frame, suite};
use xdp::rights::map;
use xdp_path::{GEOMETRY, MODES, PATIENCE, Wired, receive_numbers};

const UDP: [Instruction; 4] = assemble([
    Statement::LdAbs(Size::H, 12),
    Statement::Jeq(Source::K(0x0800), 0, 1),
    Statement::RetK(1),
    Statement::RetK(0),
]);

/// The program changes while frames can come: each frame is where the program of its time sends it.
fn accepted_frames_are_the_sockets_and_the_rest_the_network_stacks() -> TestResult {
    for mode in MODES {
        let Some(map) = map()? else {
            return Ok(());
        };
        let wired = Wired::new(map, mode)?;
        let witness = Witness::on(&wired.pair.far, Sees::Incoming)?;
        let (mut socket, _umem, mut pool) = wired.socket(GEOMETRY)?;
        let RxTxRings { rx, fill, .. } = socket.rings();
        let frames: Vec<_> = (0..20)
            .map(|number| match number % 2 {
                0 => frame::numbered(number, 60),
                _ => frame::numbered_udp(number, 60),
            })
            .collect();
        let even: Vec<u64> = (0..20).step_by(2).collect();
        let odd: Vec<u64> = (1..20).step_by(2).collect();

        let filter = Filter::new_assert(&UDP);
        let redirect = Redirect::to(&wired.map).filter(&filter).fragments();
        let passing = redirect.load()?;
        wired.attachment.replace(&wired.program, &passing)?;
        wired.injector.send_batch(&frames)?;
        assert_eq!(receive_numbers(rx, fill, &mut pool, 10)?, odd, "{mode:?}");
        let mut passed = Vec::new();
        while passed.last() != even.last() {
            let seen = witness.receive(PATIENCE)?.ok_or("a frame is missing")?;
            passed.extend(frame::number(&seen.bytes));
        }
        assert_eq!(passed, even, "{mode:?}");

        let dropping = redirect.rejected(Rejected::Drop).load()?;
        wired.attachment.replace(&passing, &dropping)?;
        wired.injector.send_batch(&frames)?;
        assert_eq!(receive_numbers(rx, fill, &mut pool, 10)?, odd, "{mode:?}");
        // What was sent last, by the first program again, comes to the witness next.
        wired.attachment.replace(&dropping, &passing)?;
        wired.injector.send(&frame::numbered(99, 60))?;
        let seen = witness.receive(PATIENCE)?.ok_or("a frame is missing")?;
        assert_eq!(frame::number(&seen.bytes), Some(99), "{mode:?}");
    }
    Ok(())
}

suite![accepted_frames_are_the_sockets_and_the_rest_the_network_stacks];

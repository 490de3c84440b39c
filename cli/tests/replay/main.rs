//! `packet-ring replay` into a veth pair: what is in the file is what arrives at the other end.

#[path = "../common/mod.rs"]
mod common;

mod arrival;
mod bar;
mod ending;
mod pace;
mod refusal;
mod written;

use arrival::*;
use bar::*;
use ending::*;
use pace::*;
use refusal::*;

packet_ring_lab::suite![
    every_kind_of_file_arrives_byte_for_byte,
    sections_and_interfaces_of_one_file_all_go,
    a_large_file_arrives_whole_and_in_order,
    xdp_sends_large_packets_whole,
    the_file_is_repeated_as_often_as_asked,
    a_count_stops_it_within_a_lap,
    standard_input_is_a_file,
    what_was_cut_is_sent_as_captured_and_told,
    original_times_are_kept,
    a_lap_begins_when_the_one_before_is_over,
    packets_a_second_are_not_exceeded,
    bits_a_second_are_not_exceeded,
    frames_that_cannot_go_are_counted_and_passed_over,
    an_interface_that_is_down_is_waited_for,
    a_signal_ends_it_and_its_counts_hold,
    an_interface_that_goes_away_is_an_error,
    a_file_that_ends_in_a_packet_is_sent_as_far_as_it_goes,
    a_terminal_shows_the_bar_unless_told_otherwise,
    what_cannot_be_replayed_is_told,
    without_permission_it_prints_the_setcap_line,
];

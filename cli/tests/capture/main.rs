//! `packet-ring capture` on a veth pair: what was sent is what is printed and written.

#[path = "../common/mod.rs"]
mod common;

mod choice;
mod counter;
mod ending;
mod files;
mod lines;
mod pcap;
mod refusal;
mod rotation;
mod seen;
mod workers;
mod xdp;

use choice::*;
use counter::*;
use ending::*;
use files::*;
use lines::*;
use pcap::*;
use refusal::*;
use rotation::*;
use workers::*;
use xdp::*;

packet_ring_lab::suite![
    it_stops_at_exactly_the_count,
    lines_are_those_of_tcpdump,
    a_filter_holds_from_the_first_packet,
    a_filter_from_a_file_is_the_same_filter,
    the_snap_length_cuts_packets_and_keeps_their_length,
    a_file_is_read_by_tcpdump_and_capinfos,
    a_file_ends_with_what_was_counted,
    classic_pcap_is_read_by_tcpdump_and_capinfos,
    classic_pcap_keeps_every_byte_and_the_time,
    classic_pcap_is_cut_rotated_and_streamed_like_pcapng,
    a_stopped_reader_tells_where_packets_were_lost,
    standard_output_takes_pcapng_too,
    a_reader_that_goes_away_ends_it_quietly,
    json_lines_have_what_was_sent,
    a_vlan_tag_is_back_in_the_file,
    files_rotate_and_the_oldest_go,
    files_rotate_by_size_and_by_time,
    autostop_ends_by_packets_size_and_time,
    a_signal_ends_it_with_all_that_was_received,
    a_user_signal_asks_for_statistics,
    the_direction_is_heeded,
    a_terminal_shows_the_counter_and_then_the_summary,
    a_quiet_capture_and_a_pipe_have_no_counter,
    promiscuous_unless_told_otherwise,
    an_interface_may_go_down_and_come_back,
    an_interface_that_goes_away_is_an_error,
    exit_codes_tell_what_happened,
    without_permission_it_prints_the_setcap_line,
    without_libpcap_only_expressions_are_refused,
    doctor_and_the_list_name_every_interface,
    workers_have_each_packet_once_and_keep_flows_together,
    workers_that_begin_under_a_flood_repeat_and_lose_nothing,
    workers_write_classic_pcap_and_rings_of_files,
    workers_end_together,
    workers_refuse_what_they_cannot_do,
    xdp_takes_every_packet_in_the_mode_asked_for,
    xdp_leaves_to_the_stack_what_the_filter_rejects,
    xdp_counts_cuts_and_rotates_as_without,
    xdp_takes_large_packets_whole,
    xdp_receives_from_all_queues_or_from_one,
    xdp_refuses_what_it_cannot_do,
    the_default_interface_is_the_first_that_is_up,
];

// An echo peer of either role that follows RFC 6455, and that can be made to break it in one chosen way at a time.
//
// It shows that the cases can be passed, and that they can fail: each defect must fail exactly the cases that are
// about it (defects.cpp). Bytes in and bytes out, no I/O, nothing of weir.
#pragma once

#include "case.hpp"
#include "deflate.hpp"

namespace conformance {

enum class defect : unsigned char {
    none,
    accepts_wrong_masking,       // unmasked frames as a server, masked ones as a client
    sends_wrong_masking,         // masks as a server, does not mask as a client
    masks_with_one_key,          // always the same
    accepts_reserved_bits,       // ignores them
    echoes_reserved_bits,        // does not only ignore them, but sends them back
    accepts_reserved_opcodes,    // takes such frames for nothing
    accepts_long_lengths,        // lengths not in their shortest form
    accepts_64_bit_lengths,      // takes the highest bit for nothing
    takes_65535_for_more,        // 65535 bytes are sent in the 64-bit form
    drops_second_message,        // behind another one in the same piece, with all that follows
    accepts_fragmented_control,
    accepts_long_control,        // over 125 bytes
    answers_no_ping,
    answers_with_another_payload,
    answers_pongs,               // with pongs
    answers_ping_behind_message, // while a fragmented message is under way pings wait for its end
    accepts_stray_continuations, // takes them for text
    accepts_message_in_message,  // takes it for a continuation
    ignores_empty_frames,        // of data
    checks_no_utf8,
    checks_utf8_at_the_end,      // of a message, not at the byte that is wrong
    checks_utf8_by_frames,       // a character that two frames share is refused
    accepts_overlong,
    accepts_surrogates,
    accepts_beyond_unicode,
    closes_with_1000,            // whatever it was closed with
    answers_no_close,            // only ends the stream
    accepts_bad_close_codes,     // 999, 1005, and so on
    accepts_one_byte_close,
    checks_no_reason,            // for UTF-8
    fails_with_1000,             // says 'normal' where something was broken
    fails_without_close_frame,
    sends_behind_close,
    reads_behind_close,          // answers what comes after a close frame
    keeps_stream_open,
    ends_stream_first,           // a client that does not wait for the server
    has_no_limit,
    takes_any_version,
    answers_426_without_version,
    sends_wrong_accept,
    takes_any_key,
    takes_any_method,
    takes_http_1_0,
    invents_subprotocol,
    invents_extension,
    takes_any_status,
    takes_any_accept,
    takes_any_extension,
    takes_any_subprotocol,
    loses_bytes_behind_head,     // of the response
    // of compression
    compresses_with_more_window,  // than was agreed upon
    inflates_with_less_window,
    keeps_context,               // where it agreed to none
    forgets_context,             // where the other side refers back
    sends_bits_of_compression_on_pongs,
    accepts_bits_on_continuations,
    accepts_bad_compressed_data, // takes it for an empty message
    checks_no_inflated_text,
    takes_compressed_for_plain,  // sends it back as it came
    takes_any_parameters,        // of an offer or of an answer
    forgets_to_answer_no_context,
};

class reference_peer {
public:
    reference_peer(side role, defect what, std::uint64_t message_limit, bool deflate);

    void receive(std::string_view bytes);
    void peer_ended();
    std::string take_output() { return std::exchange(x_output, {}); }
    bool ended() const { return x_ended; } // its own direction of the stream

private:
    struct parsed_head {
        std::string line;
        std::vector<std::pair<std::string, std::string>> fields; // names in lower case
        unsigned count(std::string_view name) const;
        std::string get(std::string_view name) const; // all of them as one list
        bool has_token(std::string_view name, std::string_view token) const;
    };

    bool is(defect what) const { return x_defect == what; }
    bool is_server() const { return x_role == side::server; }

    void read_head();
    static std::optional<parsed_head> parse_head(std::string_view text);
    void judge_request(const std::optional<parsed_head>& got);
    void judge_response(const std::optional<parsed_head>& got);
    void refuse(const char* status, const char* fields = "");
    std::string choose_parameters(const std::string& offers);
    bool accept_parameters(const std::string& answer);
    void agree(deflate_parameters all);

    bool read_frame(); // false: needs more
    bool check_start();
    bool read_payload();
    bool is_right_text(bool complete);
    void finish_frame();
    void finish_control();
    void finish_close();
    void send(unsigned opcode, std::string payload, unsigned bits = 0);
    void send_close(unsigned code);
    void fail(unsigned code);

    side x_role;
    defect x_defect;
    std::uint64_t x_limit;
    std::uint32_t x_random = 12345;
    std::string x_input;
    std::string x_output;
    bool x_open = false;   // the handshake is done
    bool x_over = false;   // nothing is read any more
    bool x_ended = false;
    bool x_deflate;        // whether it knows compression
    std::optional<deflate_codec> x_codec;
    bool x_is_compressed = false; // the message that is coming
    bool x_seen_one = false; // a message of the piece that has come
    std::string x_key;

    bool x_in_frame = false;
    unsigned x_opcode = 0, x_bits = 0;
    bool x_fin = false;
    std::uint64_t x_left = 0;
    mask_key x_mask{};
    bool x_is_masked = false;
    std::size_t x_turned = 0;
    std::string x_control;

    unsigned x_message_type = continuation_code; // none
    std::string x_message;
    std::size_t x_checked = 0; // bytes of it that are right and end with a character
    std::vector<std::string> x_late_pongs;
};

} // namespace conformance

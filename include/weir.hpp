// Everything of weir. The leaf headers, which need a library or take long to compile, only where their macros are defined: a
// program may also include them by name.
#pragma once

// core: errors, bytes, buffers
#include <weir/core/atomic.hpp>
#include <weir/core/base64.hpp>
#include <weir/core/block_pool.hpp>
#include <weir/core/buffer.hpp>
#include <weir/core/bytes.hpp>
#include <weir/core/chain.hpp>
#include <weir/core/concat.hpp>
#include <weir/core/connection_security.hpp>
#include <weir/core/copy_short.hpp>
#include <weir/core/entropy.hpp>
#include <weir/core/errc.hpp>
#include <weir/core/error.hpp>
#include <weir/core/exchanged.hpp>
#include <weir/core/fifo.hpp>
#include <weir/core/late.hpp>
#include <weir/core/list.hpp>
#include <weir/core/log.hpp>
#include <weir/core/owned.hpp>
#include <weir/core/result.hpp>
#include <weir/core/sequence.hpp>
#include <weir/core/sha1.hpp>
#include <weir/core/shared.hpp>
#include <weir/core/utf8.hpp>
#include <weir/core/utf8_blocks.hpp>
#include <weir/core/vector.hpp>
#include <weir/core/version.hpp>

// coro: tasks, scopes, cancellation
#include <weir/coro/awaitable.hpp>
#include <weir/coro/bounded.hpp>
#include <weir/coro/branch.hpp>
#include <weir/coro/caught.hpp>
#include <weir/coro/context.hpp>
#include <weir/coro/duration.hpp>
#include <weir/coro/event.hpp>
#include <weir/coro/frame_pool.hpp>
#include <weir/coro/helper_threads.hpp>
#include <weir/coro/in_context.hpp>
#include <weir/coro/lingering.hpp>
#include <weir/coro/member_timer.hpp>
#include <weir/coro/next_turn.hpp>
#include <weir/coro/offload.hpp>
#include <weir/coro/queue.hpp>
#include <weir/coro/scheduler.hpp>
#include <weir/coro/scope.hpp>
#include <weir/coro/shield.hpp>
#include <weir/coro/task.hpp>
#include <weir/coro/this_context.hpp>
#include <weir/coro/waiter.hpp>
#include <weir/coro/when_all.hpp>
#include <weir/coro/when_any.hpp>
#include <weir/coro/yield.hpp>

// protocol: HTTP and WebSocket without I/O
#include <weir/protocol/channel/lines.hpp>
#include <weir/protocol/channel/record.hpp>
#include <weir/protocol/http/accept_encoding.hpp>
#include <weir/protocol/http/body.hpp>
#include <weir/protocol/http/body_framing.hpp>
#include <weir/protocol/http/conditions.hpp>
#include <weir/protocol/http/cors.hpp>
#include <weir/protocol/http/credentials.hpp>
#include <weir/protocol/http/date.hpp>
#include <weir/protocol/http/event_stream.hpp>
#include <weir/protocol/http/fields.hpp>
#include <weir/protocol/http/head_parser.hpp>
#include <weir/protocol/http/limits.hpp>
#include <weir/protocol/http/media_type.hpp>
#include <weir/protocol/http/path_pattern.hpp>
#include <weir/protocol/http/percent.hpp>
#include <weir/protocol/http/query.hpp>
#include <weir/protocol/http/range.hpp>
#include <weir/protocol/http/redirect.hpp>
#include <weir/protocol/http/request_head.hpp>
#include <weir/protocol/http/response_head.hpp>
#include <weir/protocol/http/status.hpp>
#include <weir/protocol/http/syntax.hpp>
#include <weir/protocol/http/url.hpp>
#include <weir/protocol/http/writer.hpp>
#include <weir/protocol/ws/accept_key.hpp>
#include <weir/protocol/ws/append_frame.hpp>
#include <weir/protocol/ws/client_handshake.hpp>
#include <weir/protocol/ws/close_code.hpp>
#include <weir/protocol/ws/compression_choice.hpp>
#include <weir/protocol/ws/compression_options.hpp>
#include <weir/protocol/ws/connection.hpp>
#include <weir/protocol/ws/event.hpp>
#include <weir/protocol/ws/extension.hpp>
#include <weir/protocol/ws/frame_header.hpp>
#include <weir/protocol/ws/frame_under_way.hpp>
#include <weir/protocol/ws/handshake_fields.hpp>
#include <weir/protocol/ws/handshake_refusal.hpp>
#include <weir/protocol/ws/limits.hpp>
#include <weir/protocol/ws/masking.hpp>
#include <weir/protocol/ws/masking_key.hpp>
#include <weir/protocol/ws/message_codec.hpp>
#include <weir/protocol/ws/opcode.hpp>
#include <weir/protocol/ws/origin.hpp>
#include <weir/protocol/ws/role.hpp>
#include <weir/protocol/ws/sender.hpp>
#include <weir/protocol/ws/server_handshake.hpp>
#include <weir/protocol/ws/unmask_text.hpp>
#include <weir/protocol/ws/violation.hpp>

// io: the loop, its backends, streams and timers
#include <weir/io/acceptor.hpp>
#include <weir/io/backend.hpp>
#include <weir/io/backend_choice.hpp>
#include <weir/io/bound_address.hpp>
#include <weir/io/descriptor_limit.hpp>
#include <weir/io/epoll.hpp>
#include <weir/io/file.hpp>
#include <weir/io/interrupt.hpp>
#include <weir/io/lone_turns.hpp>
#include <weir/io/loop.hpp>
#include <weir/io/os_entropy.hpp>
#include <weir/io/print_log.hpp>
#include <weir/io/readiness.hpp>
#include <weir/io/run.hpp>
#include <weir/io/signals.hpp>
#include <weir/io/sleep.hpp>
#include <weir/io/socket_acceptor.hpp>
#include <weir/io/socket_backend.hpp>
#include <weir/io/socket_calls.hpp>
#include <weir/io/socket_setup.hpp>
#include <weir/io/socket_stream.hpp>
#include <weir/io/stream.hpp>
#include <weir/io/stream_layer.hpp>
#include <weir/io/stream_signal.hpp>
#include <weir/io/timer_wheel.hpp>
#include <weir/io/unique_descriptor.hpp>
#include <weir/io/wait_policy.hpp>

// net: addresses and sockets
#include <weir/net/address_block.hpp>
#include <weir/net/connect.hpp>
#include <weir/net/endpoint.hpp>
#include <weir/net/listen.hpp>
#include <weir/net/listener.hpp>
#include <weir/net/peer_endpoint.hpp>
#include <weir/net/resolve.hpp>
#include <weir/net/secure.hpp>
#include <weir/net/security.hpp>

// transport: protocols over a byte stream
#include <weir/transport/agreed_names.hpp>
#include <weir/transport/borrowed_frames.hpp>
#include <weir/transport/byte_source.hpp>
#include <weir/transport/carrier.hpp>
#include <weir/transport/channel.hpp>
#include <weir/transport/close_info.hpp>
#include <weir/transport/closed_record.hpp>
#include <weir/transport/connection_core.hpp>
#include <weir/transport/connection_engine.hpp>
#include <weir/transport/connection_input.hpp>
#include <weir/transport/connection_state.hpp>
#include <weir/transport/control_budget.hpp>
#include <weir/transport/ending.hpp>
#include <weir/transport/inbox.hpp>
#include <weir/transport/keepalive.hpp>
#include <weir/transport/kept_message.hpp>
#include <weir/transport/kept_parts.hpp>
#include <weir/transport/memory_tally.hpp>
#include <weir/transport/message.hpp>
#include <weir/transport/message_log.hpp>
#include <weir/transport/message_queue.hpp>
#include <weir/transport/outbox.hpp>
#include <weir/transport/outbox_lanes.hpp>
#include <weir/transport/outbox_rest.hpp>
#include <weir/transport/outgoing.hpp>
#include <weir/transport/read_ahead.hpp>
#include <weir/transport/remote_port.hpp>
#include <weir/transport/send_status.hpp>
#include <weir/transport/session.hpp>
#include <weir/transport/session_budget.hpp>
#include <weir/transport/session_options.hpp>
#include <weir/transport/session_room.hpp>
#include <weir/transport/shared_frames.hpp>
#include <weir/transport/transport_kind.hpp>
#include <weir/transport/waiting_carrier.hpp>
#include <weir/transport/websocket.hpp>
#include <weir/transport/websocket_carrier.hpp>
#include <weir/transport/websocket_handle.hpp>
#include <weir/transport/websocket_options.hpp>
#include <weir/transport/websocket_records.hpp>

// server: listening and routing
#include <weir/server/address_counts.hpp>
#include <weir/server/admission.hpp>
#include <weir/server/body_reading.hpp>
#include <weir/server/carrier_request.hpp>
#include <weir/server/channel.hpp>
#include <weir/server/channel_requests.hpp>
#include <weir/server/channel_route.hpp>
#include <weir/server/channel_service.hpp>
#include <weir/server/channel_websocket.hpp>
#include <weir/server/companion.hpp>
#include <weir/server/exchange.hpp>
#include <weir/server/exchange_upgrade.hpp>
#include <weir/server/farewell.hpp>
#include <weir/server/files.hpp>
#include <weir/server/handler.hpp>
#include <weir/server/http_connection.hpp>
#include <weir/server/http_phase.hpp>
#include <weir/server/http_route.hpp>
#include <weir/server/open_websockets.hpp>
#include <weir/server/options.hpp>
#include <weir/server/path_parameters.hpp>
#include <weir/server/plain_routes.hpp>
#include <weir/server/request_body.hpp>
#include <weir/server/response.hpp>
#include <weir/server/response_stream.hpp>
#include <weir/server/routes.hpp>
#include <weir/server/server.hpp>
#include <weir/server/service.hpp>
#include <weir/server/session_table.hpp>
#include <weir/server/stop_switch.hpp>
#include <weir/server/supervised.hpp>
#include <weir/server/upgrade.hpp>
#include <weir/server/upgrade_options.hpp>
#include <weir/server/websocket_route.hpp>

// client: connecting
#include <weir/client/backoff.hpp>
#include <weir/client/channel_driver.hpp>
#include <weir/client/client_channel.hpp>
#include <weir/client/connect.hpp>
#include <weir/client/connect_options.hpp>
#include <weir/client/conversation.hpp>
#include <weir/client/http_caller.hpp>
#include <weir/client/http_lane.hpp>
#include <weir/client/lane.hpp>
#include <weir/client/open.hpp>
#include <weir/client/open_options.hpp>
#include <weir/client/proxy_choice.hpp>
#include <weir/client/route.hpp>
#include <weir/client/websocket_lane.hpp>

// hub: rooms and fan-out
#include <weir/hub/room.hpp>

// browser: what runs in pages
#include <weir/browser/script.hpp>

// leaves
#if defined(WEIR_WITH_MEMORY)
#include <weir/io/memory.hpp>
#endif
#if defined(WEIR_WITH_SIMULATION)
#include <weir/io/simulation.hpp>
#endif
#if defined(WEIR_WITH_STOP_TOKEN)
#include <weir/coro/stop.hpp>
#endif
#if defined(WEIR_WITH_PROXY)
#include <weir/client/proxy.hpp>
#endif
#if defined(WEIR_WITH_RECONNECTING)
#include <weir/client/reconnecting.hpp>
#endif
#if defined(WEIR_WITH_REQUESTS)
#include <weir/transport/requests.hpp>
#endif
#if defined(WEIR_WITH_ZLIB)
#include <weir/protocol/ws/deflate.hpp>
#endif
#if defined(WEIR_WITH_LIBURING)
#include <weir/io/uring.hpp>
#endif
#if defined(WEIR_WITH_OPENSSL)
#include <weir/net/tls.hpp>
#endif

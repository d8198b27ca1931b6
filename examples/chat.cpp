// A chat with rooms, who is in them, and what was said last; it serves its own page. The first argument is the port.
//
// It is a channel: pages come by WebSocket, event stream, long polling or polling, whichever works for them, and show which. All
// see the same in the same order, and miss nothing when a connection drops.
//
// A page says "join\troom\tname" and "say\ttext". It is told in JSON of its room and those who are in it, of what is
// said, and of all rooms. Everything happens on one thread, so nothing here needs a lock.
#include <weir.hpp>

#include <cstdlib>
#include <ctime>
#include <deque>
#include <map>
#include <set>

extern const char page[];

std::pair<std::string_view, std::string_view> cut(std::string_view line) { // at its first tab
    const std::size_t tab = line.find('\t');
    return {line.substr(0, tab), tab == line.npos ? std::string_view() : line.substr(tab + 1)};
}

bool is_name(std::string_view text) {
    for (const char each : text)
        if (static_cast<unsigned char>(each) < ' ') return false;
    return !text.empty() && text.size() <= 60 && weir::is_utf8(weir::as_bytes(text));
}

std::string quoted(std::string_view text) { // as JSON
    std::string json(1, '"');
    for (const char each : text) {
        char code[8] = {each};
        if (static_cast<unsigned char>(each) < ' ') std::snprintf(code, sizeof code, "\\u%04x", unsigned(each));
        if (each == '"' || each == '\\') json += '\\';
        json += code;
    }
    return json += '"';
}

struct place {
    weir::room people;
    std::multiset<std::string> names;
    std::deque<std::string> history; // what was said last, as it was sent
};
std::map<std::string, place, std::less<>> places; // each is there as long as somebody is in it
weir::room everyone;

void announce(place& here, const std::string& news) { // to those who are there, and the list of rooms to all
    std::string names, rooms;
    for (const std::string& each : here.names) names += (names.empty() ? "" : ",") + quoted(each);
    for (const auto& [name, each] : places)
        if (const std::size_t count = each.names.size())
            rooms += (rooms.empty() ? "[" : ",[") + quoted(name) + "," + std::to_string(count) + "]";
    here.people.send("{\"news\":" + quoted(news) + ",\"people\":[" + names + "]}");
    everyone.send("{\"rooms\":[" + rooms + "]}");
}

// In a room, until the guest wishes for something else: gives that, or nothing when the connection is over.
weir::task<std::string> stay(weir::channel& guest, place& here, std::string name) {
    std::string wish;
    weir::room::seat seat(here.people, guest);
    const auto me = here.names.insert(name);
    for (const std::string& each : here.history) guest.send(each);
    announce(here, name + " joined");
    while (auto message = co_await guest.read()) {
        const auto [verb, text] = cut(message->text());
        if (verb != "say" || message->is_binary()) {
            wish = message->text();
            break;
        }
        here.history.push_back("{\"from\":" + quoted(name) + ",\"text\":" + quoted(text) +
                               ",\"at\":" + std::to_string(std::time(nullptr)) + "}");
        if (here.history.size() > 50) here.history.pop_front();
        here.people.send(here.history.back());
    }
    seat.leave();
    here.names.erase(me);
    announce(here, name + " left");
    co_return wish;
}

weir::task<> chat(weir::channel& guest) {
    const weir::room::seat listening(everyone, guest);
    std::string wish;
    if (auto first = co_await guest.read()) wish = first->text();
    while (!wish.empty()) {
        const auto [verb, rest] = cut(wish);
        const auto [room, name] = cut(rest);
        const bool full = places.size() >= 100 && !places.contains(room);
        if (verb != "join" || !is_name(room) || !is_name(name) || full) {
            const char* const why = full ? "there are too many rooms" : "join a room under a name, or say something";
            guest.close(weir::ws::close_code::policy_violation, why);
            co_return;
        }
        guest.send("{\"joined\":" + quoted(room) + "}");
        const auto at = places.try_emplace(std::string(room)).first;
        wish = co_await stay(guest, at->second, std::string(name));
        if (at->second.names.empty()) places.erase(at);
    }
}

int main(int argc, char** argv) {
    weir::server server;
    server.get("/", weir::response::html(page));
    // [channel]
    server.get("/weir.js", weir::browser_script());
    server.channel("/chat", chat);
    // [channel]
    return server.run({.port = argc > 1 ? std::atoi(argv[1]) : 8080,
                       .websocket = {.message_bytes = 8000, .queue_bytes = 1024 * 1024},
                       .log = weir::print_log});
}

const char page[] = R"page(<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>weir chat</title><link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark; --back: #f3f5f9; --card: #fff; --text: #1b2130; --soft: #5f6a80; --line: #e1e5ee; --main: #2f5bea }
@media (prefers-color-scheme: dark) {
  :root { --back: #0f131c; --card: #181e2b; --text: #e8ecf5; --soft: #93a0b8; --line: #2a3244; --main: #7c9dff } }
* { box-sizing: border-box; margin: 0; font: inherit; color: inherit }
[hidden] { display: none !important }
body { font: 16px/1.45 system-ui, sans-serif; background: var(--back); color: var(--text); height: 100dvh; display: grid }
input { min-width: 0; width: 100%; padding: .6em .9em; background: var(--back); border: 1px solid var(--line); border-radius: .8em }
button { padding: .6em 1.2em; background: var(--main); color: var(--card); border: 0; border-radius: .8em; font-weight: 600 }
:focus-visible { outline: 2px solid var(--main); outline-offset: 1px }
h1 { font-size: 1.3em; font-weight: 700 } h2 { font-size: .8em; font-weight: 600; color: var(--soft); margin: 1.4em 0 .5em }
h1, nav span, #people li { overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
form { display: flex; gap: .6em }
#hello { place-self: center; width: min(22em, 90vw); padding: 2em; background: var(--card); border: 1px solid var(--line);
  border-radius: 1.2em; flex-direction: column; gap: 1em }
#chat { display: grid; grid: minmax(0, 1fr) / 15em minmax(0, 1fr); width: 100%; max-width: 70em; margin: auto; height: 100dvh }
aside { padding: 0 1.2em; overflow-y: auto }
nav a { display: flex; justify-content: space-between; gap: .5em; padding: .4em .7em; border-radius: .7em; text-decoration: none }
nav a:hover { background: var(--line) } nav a[aria-current] { background: var(--main); color: var(--card); font-weight: 600 }
#people { list-style: none; padding: 0 .7em }
li::before, #state::before { content: "●"; color: #2fb26a; margin-right: .4em; font-size: .75em }
main { display: flex; flex-direction: column; background: var(--card); border: solid var(--line); border-width: 0 1px; min-width: 0 }
header, #say { padding: .8em 1.2em; border: solid var(--line); border-width: 0 0 1px } #say { border-width: 1px 0 0 }
header { display: flex; justify-content: space-between; align-items: baseline; gap: 1em }
#state { color: var(--soft); font-size: .85em; margin-left: auto } #state.off::before { color: #e39b20 }
#badge, #via { padding: .15em .7em; border: 1px solid var(--line); border-radius: 1em; font-size: .85em; white-space: nowrap }
#via { background: var(--back); width: 9em } #badge { font-weight: 600; color: #fff; background: #6b7488; border: 0 }
#badge.websocket { background: #1f8a52 } #badge.event-stream { background: #2f5bea }
#badge.long-polling { background: #8a4fd0 } #badge.polling { background: #b3541e }
#log { flex: 1; overflow-y: auto; padding: 1em 1.2em; display: flex; flex-direction: column; gap: .5em; overflow-wrap: anywhere }
.news { align-self: center; text-align: center; color: var(--soft); font-size: .85em }
.said { align-self: start; max-width: 85%; padding: .5em .9em; background: var(--back); border-radius: .3em 1.1em 1.1em }
.said small { display: block; font-size: .75em; color: var(--soft) } .said b { font-weight: 600 }
.mine { align-self: end; background: var(--main); border-radius: 1.1em .3em 1.1em 1.1em } .mine, .mine small { color: var(--card) }
@media (max-width: 640px) { #chat { grid: auto minmax(0, 1fr) / minmax(0, 1fr) } h2, #new button { display: none }
  aside { padding: .6em; display: flex; flex-wrap: wrap; gap: .4em }
  nav { display: flex; flex: 1; gap: .3em; overflow-x: auto }
  #new { width: 7.5em } #new input { padding: .4em .7em }
  #people { display: flex; gap: 1em; width: 100%; overflow-x: auto; font-size: .85em }
  #people li { flex: none } main { border-width: 1px 0 0 } header h1 { display: none } #state { margin: 0 auto 0 0 } }
</style>
<form id="hello"><h1>Join the chat</h1>
<input id="name" aria-label="Your name" placeholder="Your name" maxlength="20" required autofocus><button>Join</button></form>
<div id="chat" hidden><aside><h2>Rooms</h2><nav id="rooms" aria-label="Rooms"></nav>
<h2>New room</h2><form id="new"><input id="room" aria-label="New room" placeholder="New room" maxlength="20"><button>Go</button></form>
<h2>Here now</h2><ul id="people" aria-label="Who is here"></ul></aside>
<main><header><h1 id="title"></h1><span id="state" role="status" class="off">Connecting …</span>
<output id="badge" aria-label="Transport in use">nothing</output>
<select id="via" aria-label="Transport" title="What is to carry the messages"><option value="">automatic<option value="websocket">WebSocket
<option value="event-stream">event stream<option value="long-polling">long polling<option value="polling">polling</select></header>
<div id="log" role="log" aria-label="Messages" tabindex="0"></div>
<form id="say"><input id="text" aria-label="Message" placeholder="Message" maxlength="1000" autocomplete="off"><button>Send</button></form>
</main></div>
<script src="/weir.js"></script>
<script>
const $ = id => document.getElementById(id);
const make = (tag, text, more) => Object.assign(document.createElement(tag), {textContent: text}, more);
const wanted = () => { try { return decodeURIComponent(location.hash.slice(1)) || 'lobby'; } catch { return 'lobby'; } };
const state = (text, look) => Object.assign($('state'), {textContent: text, className: look});
const send = (...parts) => chat?.readyState === 1 && (chat.send(parts.join('\t')), true);
const join = () => send('join', wanted(), me);
const show = item => {
  const log = $('log'), follow = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  log.append(item);
  if (follow) log.scrollTop = log.scrollHeight;
};
const hear = {
  joined(room) {
    $('log').replaceChildren();
    $('title').textContent = room;
    document.title = room + ' · weir chat';
    if (unsent) hear.news(['The server had forgotten you. This is a new session.', ...unsent].join(' Perhaps it did not get: '));
    unsent = null;
  },
  news(text) { show(make('p', text, {className: 'news'})); },
  people(names) { $('people').replaceChildren(...names.map(name => make('li', name))); },
  rooms(all) { $('rooms').replaceChildren(...all.map(([room, count]) => {
    const link = make('a', '', {href: '#' + encodeURIComponent(room), ariaCurrent: room === wanted() ? 'page' : null});
    link.append(make('span', room), make('small', count));
    return link;
  })); },
  text(text, {from, at}) {
    const item = make('div', '', {className: from === me ? 'said mine' : 'said'}), line = make('small', '');
    line.append(make('b', from), ' ' + new Date(at * 1000).toLocaleTimeString([], {hour: '2-digit', minute: '2-digit'}));
    item.append(line, make('span', text));
    show(item);
  },
};
const kinds = [...$('via')].slice(1), names = Object.fromEntries(kinds.map(each => [each.value, each.text.trim()]));
const wish = () => $('via').value ? [$('via').value] : kinds.map(each => each.value);
let chat, me, unsent; // what was perhaps not heard when a session was lost
function connect() { // comes back by itself when a connection is lost, and goes on as long as the server knows it
  chat = new weir.Channel('/chat', {transports: wish()});
  chat.onopen = join;
  chat.onmessage = ({data}) => { const all = JSON.parse(data); for (const key in all) hear[key]?.(all[key], all); };
  chat.ontransport = () => {
    state(chat.transport ? 'Connected' : 'Reconnecting …', chat.transport ? '' : 'off');
    Object.assign($('badge'), {textContent: names[chat.transport] || 'nothing', className: chat.transport});
  };
  chat.onlost = event => { unsent = event.unsent.filter(each => each.startsWith('say')).map(each => each.slice(4)); };
  chat.onclose = ({reason}) => state('Closed' + (reason && ': ' + reason), 'off');
}
$('via').onchange = () => { if (chat) chat.transports = wish(); };
const submitted = (form, input, then) => $(form).onsubmit = () => {
  const text = $(input).value.trim();
  if (text && then(text)) { $(input).value = ''; $('text').focus(); }
  return false;
};
submitted('hello', 'name', name => { me = name; $('hello').hidden = true; $('chat').hidden = false; connect(); return true; });
submitted('new', 'room', room => location.hash = encodeURIComponent(room));
submitted('say', 'text', text => send('say', text));
onhashchange = () => chat?.readyState === 3 ? connect() : join();
</script>
)page";

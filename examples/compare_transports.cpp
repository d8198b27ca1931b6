// What it costs to tell clients something by polling, long polling, event stream and WebSocket, and how late they hear of it: one
// source of events, and four servers that differ in nothing but in how their clients come.
//
//     compare_transports [port]                        a page that shows it; the servers have the four ports after that one
//     compare_transports --report [folder] [--quick]   eight minutes that end in transports.md and transports.svg
//
// Each server has a thread of its own, whose processor time the kernel counts; requests are counted where they come in; bytes
// and packets by the kernel too, on the sockets. An event says when it was due, on the clock of this machine, and there its latency
// begins: what is late because the server was busy is late. compare_transports/run.hpp says how the report loads the servers.
#include "compare_transports/report.hpp"
#include "compare_transports/stand.hpp"
#include "compare_transports/traffic.hpp"

#include <weir.hpp>

#include <atomic>
#include <chrono>
#include <deque>

using namespace std::chrono_literals;
using namespace compare;

extern const char page[];

// An event source on a thread of its own.
class ticker {
public:
    ticker(std::vector<stand*> to, double rate) : x_rate(rate), x_source(std::move(to), rate), x_thread([this] { run(); }) {}
    ~ticker() {
        x_over = true;
        x_thread.join();
    }

    double rate() const {
        const std::lock_guard lock(x_mutex);
        return x_rate;
    }
    void set_rate(double a_second) {
        const std::lock_guard lock(x_mutex);
        x_rate = a_second;
        x_source.set_rate(a_second);
    }

private:
    void run() {
        while (!x_over) std::this_thread::sleep_for(std::min(std::chrono::nanoseconds(step()), std::chrono::nanoseconds(20ms)));
    }
    std::int64_t step() { // gives how long it is until the next event; the rate may change meanwhile
        const std::lock_guard lock(x_mutex);
        while (x_source.due() <= nanoseconds()) x_source.emit();
        return x_source.due() - nanoseconds();
    }

    mutable std::mutex x_mutex;
    double x_rate;
    event_source x_source;
    std::atomic<bool> x_over{false};
    std::thread x_thread;
};

struct show {
    std::deque<stand> stands;
    weir::room pages;
    ledger passed;
    std::optional<ticker> source;
};

std::string standing(show& of) { // all that was counted so far, as JSON
    of.passed.look();
    std::string json = "{\"rate\":" + std::to_string(of.source->rate()) + ",\"stands\":[";
    for (const stand& each : of.stands) {
        const double numbers[] = {static_cast<double>(each.messages), static_cast<double>(each.requests),
                                  of.passed.at(each.port()).wire_bytes(), static_cast<double>(each.cpu()) * 1e-3};
        json += &each == &of.stands.front() ? "[" : ",[";
        for (const double& number : numbers) (json += &number == numbers ? "" : ",") += std::to_string(number);
        json += "]";
    }
    return json + "]}";
}

// A page asks what the time is here, and says how fast events are to come.
weir::task<> converse(weir::channel& page, show& of) {
    weir::room::seat here(of.pages, page);
    std::string ports;
    for (const stand& each : of.stands) (ports += ports.empty() ? "" : ",") += std::to_string(each.port());
    page.send("{\"ports\":[" + ports + "]}");
    page.send(standing(of));
    while (auto message = co_await page.read()) {
        const std::string text(message->text());
        const double number = std::atof(text.c_str() + std::min(text.size(), text.find(' ')));
        if (!std::isfinite(number)) continue;
        if (text.starts_with("rate ")) {
            of.source->set_rate(std::clamp(number, 1.0, 100.0));
            of.pages.send(standing(of));
        } else {
            const double now = static_cast<double>(nanoseconds()) * 1e-6;
            page.send("{\"asked\":" + std::to_string(number) + ",\"now\":" + std::to_string(now) + "}");
        }
    }
}

weir::task<> report_to(show& of) {
    while (auto slept = co_await weir::sleep(500ms))
        if (of.pages.size() > 0) of.pages.send(standing(of));
}

int serve(int port) {
    show all;
    std::vector<stand*> to;
    for (std::size_t i = 0; i < std::size(kinds); ++i)
        to.push_back(&all.stands.emplace_back(port ? port + 1 + static_cast<int>(i) : 0));
    all.source.emplace(to, 10);
    weir::server server;
    server.get("/", weir::response::html(page));
    server.get("/weir.js", weir::browser_script());
    server.channel("/control", [&all](weir::channel& page) { return converse(page, all); });
    server.spawn([&all] { return report_to(all); });
    return server.run({.port = port, .websocket = {.message_bytes = 1000}, .log = weir::print_log});
}

int main(int argc, char** argv) {
    std::vector<std::string> words(argv + 1, argv + argc);
    const bool is_quick = !words.empty() && words.back() == "--quick", reports = !words.empty() && words[0] == "--report";
    if (is_quick) words.pop_back();
    if (reports && words.size() <= 2) return report(words.size() == 2 ? words[1] : ".", is_quick ? quick : whole);
    const bool is_port = words.size() == 1 && words[0].find_first_not_of("0123456789") == std::string::npos;
    if (!is_quick && (words.empty() || is_port)) return serve(is_port ? std::atoi(words[0].c_str()) : 8080);
    return std::fputs("usage: compare_transports [port], or compare_transports --report [folder] [--quick]\n", stderr), 2;
}

const char page[] = R"page(<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>weir: four ways to be told</title><link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark; --back: #f3f5f9; --card: #fff; --text: #1b2130; --soft: #5f6a80; --line: #e1e5ee;
  --polling: #b3541e; --long-polling: #8a4fd0; --event-stream: #2f5bea; --websocket: #1f8a52 }
@media (prefers-color-scheme: dark) {
  :root { --back: #0f131c; --card: #181e2b; --text: #e8ecf5; --soft: #93a0b8; --line: #2a3244;
    --polling: #e58a4e; --long-polling: #ba93f2; --event-stream: #7c9dff; --websocket: #45c184 } }
* { box-sizing: border-box; margin: 0; font: inherit; color: inherit }
body { font: 16px/1.45 system-ui, sans-serif; background: var(--back); color: var(--text); max-width: 76em; margin: auto; padding: 1.2em;
  display: grid; gap: 1em; grid-template-columns: minmax(0, 1fr) }
h1 { font-size: 1.5em; font-weight: 700 } h2 { font-size: 1.05em; font-weight: 700; color: var(--own) }
p, figcaption, small, th, label span { color: var(--soft) } small, figcaption, th, td { font-size: .85em }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 1em; padding: 1em 1.2em }
form { display: grid; gap: .8em 2.5em; grid-template-columns: repeat(auto-fit, minmax(min(18em, 100%), 1fr)) }
label { display: grid; grid-template-columns: 1fr auto } output { font-weight: 600; font-variant-numeric: tabular-nums }
input { grid-column: 1 / 3; width: 100%; height: 2em; accent-color: var(--event-stream) }
:focus-visible { outline: 2px solid var(--event-stream); outline-offset: 1px; border-radius: .3em }
canvas { display: block; width: 100%; height: clamp(14em, 40vh, 24em); margin-top: .5em }
#panels { display: grid; gap: 1em; grid-template-columns: repeat(auto-fit, minmax(min(16em, 100%), 1fr)) }
article { border-top: 4px solid var(--own) !important }
header { display: flex; justify-content: space-between; align-items: baseline }
.half, .most { font-variant-numeric: tabular-nums; white-space: nowrap } .half { font-size: 1.7em; font-weight: 700 }
table { width: 100%; border-collapse: collapse; margin-top: .6em }
th { font-weight: 400; text-align: left } td, thead th { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
th, td { padding: .25em 0 .25em .5em; border-top: 1px solid var(--line) } thead th { border: 0 } th:first-child { padding-left: 0 }
</style>
<div><h1>Four ways to be told</h1>
<p>One source of events. Four servers tell this page of each: the same handler, in four transports.</p></div>
<form class="card">
<label><span>Events a second</span><output id="rate-shown"></output><input id="rate" type="range" max="6" value="3"></label>
<label><span>Polling asks every</span><output id="interval-shown"></output><input id="interval" type="range" max="5" value="3"></label>
</form>
<figure class="card"><figcaption>Latency of each delivery, from when the event was due, over the last 30 seconds</figcaption>
<canvas id="chart" role="img" aria-label="Latency of each delivery over time, on a scale of powers of ten"></canvas></figure>
<div id="panels"></div>
<template id="panel"><article class="card"><header><h2></h2><small role="status">connecting …</small></header>
<div><span class="half">–</span> <small class="most"></small></div>
<table><thead><tr><th><th>a message<th>in all</thead>
<tr><th>Messages<td><td><tr><th>Requests<td><td><tr><th>On the wire<td><td><tr><th>Server CPU<td><td></table></article></template>
<p><small>The large figure is the latency that half of the messages of the last ten seconds stay below. What a message costs is that of
these ten seconds, too, and the other column counts everything since this page was opened. A server counts for all its pages. Bytes are
what the kernel counts on its sockets, and 52 for the headers of each packet; the CPU time is that of its thread, which serves nothing
else. <span id="clock"></span></small></p>
<script src="/weir.js"></script>
<script>
const $ = id => document.getElementById(id);
const rates = [1, 2, 5, 10, 20, 50, 100], intervals = [100, 200, 500, 1000, 2000, 5000]; // milliseconds
const names = {'polling': 'Polling', 'long-polling': 'Long polling', 'event-stream': 'Event stream', 'websocket': 'WebSocket'};
const span = 30000, recent = 10000;
const number = value => Number(value.toPrecision(value < 1000 ? 3 : 4)).toLocaleString('en', {maximumFractionDigits: 3});
const duration = ms => ms < 1 ? number(ms * 1000) + ' µs' : ms < 1000 ? number(ms) + ' ms' : number(ms / 1000) + ' s';
const bytes = count => count < 10000 ? number(count) + ' B' : count < 1e7 ? number(count / 1000) + ' kB' : number(count / 1e6) + ' MB';
const shown = [number, number, bytes, micros => duration(micros / 1000)]; // messages, requests, bytes, CPU

const stands = Object.keys(names).map(kind => {
  $('panels').append($('panel').content.cloneNode(true));
  const panel = $('panels').lastElementChild;
  panel.style.setProperty('--own', `var(--${kind})`);
  panel.querySelector('h2').textContent = names[kind];
  // seen: [when, how long that is after it was due, by clocks that have nothing to do with each other]
  return {kind, panel, port: 0, channel: null, seen: [], last: 0, missed: 0, begin: null, history: []};
});
const state = (stand, text) => stand.panel.querySelector('[role=status]').textContent = text;

function open(stand) {
  stand.channel?.close();
  const channel = stand.channel = new weir.Channel(`${location.protocol}//${location.hostname}:${stand.port}/events`,
    {transports: [stand.kind], interval: intervals[$('interval').value]});
  channel.onopen = () => { stand.last = 0; };
  channel.ontransport = () => { if (channel === stand.channel) state(stand, channel.transport ? 'connected' : 'connecting …'); };
  channel.onmessage = ({data}) => { if (channel === stand.channel) told(stand, data); };
}
function told(stand, data) {
  const [count, due] = data.split(' ').map(Number), here = performance.now();
  if (stand.last) stand.missed += count - stand.last - 1;
  stand.last = count;
  stand.seen.push([here, here - due / 1000]);
}

// The server's clock, as the quickest of the latest answers has it. What is known better later shifts what was seen before.
let clock, answers = [];
const latency = ([, difference]) => Math.max(difference + clock.ahead, 0.05);
const control = new weir.Channel('/control');
const ask = () => { if (control.readyState === 1 && control.transport) control.send('now ' + performance.now()); };
control.onopen = ask;
setInterval(ask, 1000);

const hear = {
  ports(ports) {
    clock = null;
    answers = [];
    stands.forEach((each, at) => { Object.assign(each, {port: ports[at], begin: null, seen: []}); open(each); });
    ask();
  },
  now(now, {asked}) {
    const here = performance.now();
    answers = [...answers.slice(-29), {round: here - asked, ahead: now - (here + asked) / 2}];
    clock = answers.reduce((best, each) => each.round < best.round ? each : best);
    if (answers.length < 10) ask();
    $('clock').textContent = `This page knows the server's clock to ${duration(clock.round / 2)}.`;
  },
  rate(rate) {
    const at = rates.reduce((best, each, at) => Math.abs(each - rate) < Math.abs(rates[best] - rate) ? at : best, 0);
    if (performance.now() < moved + 1000) return; // it is just being moved
    $('rate').value = at;
    label();
  },
  stands(all) { all.forEach((counts, at) => { count(stands[at], counts); show(stands[at]); }); },
};
control.onmessage = ({data}) => { const news = JSON.parse(data); for (const key in news) hear[key]?.(news[key], news); };

function count(stand, counts) {
  const when = performance.now();
  if (!stand.begin) Object.assign(stand, {begin: counts, history: []});
  stand.history.push({when, counts});
  while (stand.history[1]?.when < when - recent) stand.history.shift();
}
function show({panel, seen, begin, history}) {
  const now = performance.now(), known = clock ? seen.filter(([when]) => when > now - recent) : [];
  const late = known.map(latency).sort((a, b) => a - b);
  panel.querySelector('.half').textContent = late.length ? duration(late[late.length >> 1]) : '–';
  panel.querySelector('.most').textContent = late.length ? '99 %: ' + duration(late[Math.floor(late.length * 0.99)]) : '';
  const last = history[history.length - 1].counts, since = last.map((each, at) => each - history[0].counts[at]);
  const cells = panel.querySelectorAll('td');
  shown.forEach((text, at) => {
    cells[2 * at].textContent = at && since[0] ? text(since[at] / since[0]) : '';
    cells[2 * at + 1].textContent = text(last[at] - begin[at]);
  });
}
function label() {
  const rate = rates[$('rate').value] + ' /s', interval = duration(intervals[$('interval').value]);
  $('rate').ariaValueText = $('rate-shown').textContent = rate;
  $('interval').ariaValueText = $('interval-shown').textContent = interval;
}
let moved = -1000; // when the rate was
const anew = () => stands.forEach(each => { each.history = each.history.slice(-1); });
$('rate').oninput = () => {
  moved = performance.now();
  label();
  if (control.readyState === 1) control.send('rate ' + rates[$('rate').value]);
  anew();
};
$('interval').oninput = label;
$('interval').onchange = () => { if (stands[0].port) open(stands[0]); anew(); };
label();

function draw() {
  const canvas = $('chart'), {clientWidth: width, clientHeight: height} = canvas, scale = devicePixelRatio;
  if (document.hidden) return;
  if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
  if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
  const pen = canvas.getContext('2d'), style = getComputedStyle(document.documentElement), now = performance.now();
  const colour = name => style.getPropertyValue('--' + name).trim();
  const left = 52, bottom = height - 24, top = 8;
  const y = ms => bottom - (Math.log10(Math.min(Math.max(ms, 0.1), 10000)) + 1) / 5 * (bottom - top);
  const x = when => width - 4 - (now - when) / span * (width - 4 - left);
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = '12px system-ui, sans-serif';
  pen.textBaseline = 'middle';
  pen.textAlign = 'right';
  for (const ms of [0.1, 1, 10, 100, 1000, 10000]) {
    pen.fillStyle = colour('line');
    pen.fillRect(left, Math.round(y(ms)), width - left, 1);
    pen.fillStyle = colour('soft');
    pen.fillText(duration(ms), left - 8, y(ms));
  }
  for (const seconds of [30, 20, 10, 0]) {
    pen.textAlign = seconds ? seconds < 30 ? 'center' : 'left' : 'right';
    pen.fillText(seconds ? `−${seconds} s` : 'now', x(now - seconds * 1000), height - 8);
  }
  for (const {kind, seen} of stands) {
    const old = seen.findIndex(([when]) => when > now - span);
    seen.splice(0, old < 0 ? seen.length : old);
    pen.fillStyle = colour(kind);
    if (clock) for (const each of seen) pen.fillRect(x(each[0]) - 1.5, y(latency(each)) - 1.5, 3, 3);
  }
}
setInterval(draw, matchMedia('(prefers-reduced-motion: reduce)').matches ? 1000 : 50);
</script>
)page";

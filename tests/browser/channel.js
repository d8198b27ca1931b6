// weir.js against a server that speaks the envelope strictly, in virtual time, with whatever may go wrong. Usage:
// channel.js SCRIPT [NAME], the script as it is read or minified, and a part of the name of the tests to run.
'use strict';
const {World, settle, randomness, heartbeat} = require('./world.js');
const assert = require('assert');
const fs = require('fs');

const script = fs.readFileSync(process.argv[2], 'utf8');
const transports = ['websocket', 'event-stream', 'long-polling', 'polling'];
const over_http = transports.slice(1);
const tests = [];
const test = (name, body) => tests.push({name, body});
const on_each = (name, kinds, body) => kinds.forEach(kind => test(`${name}, ${kind}`, world => body(world, kind)));
const unhandled = [];
process.on('unhandledRejection', error => unhandled.push(error));
process.on('uncaughtException', error => unhandled.push(error));

// A channel with what happened to it: messages that came, events by name.
function open(world, options, url = '/chat') {
  const Channel = world.globals.weir.Channel;
  const ws = new Channel(url, options);
  const heard = {messages: [], events: [], unsent: [], closed: null};
  ws.binaryType = 'arraybuffer';
  ws.onmessage = ({data}) => heard.messages.push(typeof data === 'string' ? data : Buffer.from(data));
  for (const type of ['open', 'error', 'transport', 'lost', 'close'])
    ws.addEventListener(type, event => heard.events.push(type === 'transport' ? ws.transport : type));
  ws.addEventListener('lost', event => heard.unsent.push(...event.unsent));
  ws.onclose = ({code, reason, wasClean}) => { heard.closed = {code, reason, wasClean}; };
  return Object.assign(heard, {ws});
}
const is_open = channel => () => channel.ws.readyState === 1;
const echo = server => { server.on_session = session => { session.on_message = data => session.send(data); }; };
const nasty = ['', ' ', '  two', 'a\nb\r\nc\\n\\', 'grüße 🌊 \u2028', '\ud83d', 'data: x', '\0', 'id: 5', 'x'.repeat(100000),
  '\\'.repeat(3)];
const bytes = [Buffer.alloc(0), Buffer.from([0, 10, 13, 32, 255]), Buffer.from(Uint8Array.from({length: 70000}, (_, i) => i * i))];

// After every test: closed, nothing is left, the server was spoken to as it should be.
async function finish(world, channel) {
  if (channel.ws.readyState < 2) {
    channel.ws.close(1000, 'done');
    await world.until(() => channel.closed);
  }
  assert.equal(channel.ws.readyState, 3);
  await settle();
  assert.equal(world.page_timers, 0, 'timers are left');
  assert.equal(world.listener_count, 0, 'listeners are left');
  assert.deepEqual([...world.open_requests].map(each => each.method), [], 'requests are left');
  assert(world.sockets.every(each => each.readyState > 1), 'a WebSocket is left');
  assert.deepEqual(world.server.violations, []);
}

// --- the interface

on_each('a conversation', transports, async (world, kind) => {
  echo(world.server);
  const channel = open(world, {transports: [kind]}), {ws} = channel;
  assert.equal(ws.url, 'http://weir.test/chat');
  assert.equal(ws.readyState, 0);
  assert.throws(() => ws.send('x'), /not open/);
  await world.until(is_open(channel));
  assert.equal(ws.transport, kind);
  assert.deepEqual(channel.events, [kind, 'open']);
  const sent = [...nasty, ...bytes];
  for (const each of sent) ws.send(each);
  ws.send(bytes[2].buffer.slice(bytes[2].byteOffset, bytes[2].byteOffset + 70000));
  ws.send(new DataView(bytes[1].buffer, bytes[1].byteOffset + 1, 3));
  ws.send(new Blob(['blob ', 'bytes']));
  ws.send(17);
  assert(ws.bufferedAmount > 200000);
  const expected = [...sent.map(each => each === '\ud83d' && kind !== 'websocket' ? '\ufffd' : each), bytes[2], bytes[1].subarray(1, 4),
    Buffer.from('blob bytes'), '17'];
  await world.until(() => channel.messages.length === expected.length);
  assert.deepEqual(channel.messages, expected.map(each => each === '\ufffd' && !channel.messages.includes('\ufffd') ? '\ud83d' : each));
  await world.until(() => ws.bufferedAmount === 0);
  await world.advance(10 * heartbeat);
  assert.deepEqual(channel.events, [kind, 'open'], 'it stays as it is');
  assert.equal(world.server.session.acked, expected.length);
  ws.close(3005, 'bye');
  assert.equal(ws.readyState, 2);
  ws.send('too late');
  await world.until(() => channel.closed);
  assert.deepEqual(channel.closed, {code: 3005, reason: 'bye', wasClean: true});
  assert.deepEqual(world.server.session.closed, {code: 3005, reason: 'bye'});
  assert.equal(world.server.made, 1);
  await finish(world, channel);
});

on_each('binaryType blob', transports, async (world, kind) => {
  echo(world.server);
  const channel = open(world, {transports: [kind]}), got = [];
  channel.ws.binaryType = 'blob';
  channel.ws.onmessage = event => { got.push(event.data); assert.equal(event.origin, 'http://weir.test'); };
  await world.until(is_open(channel));
  channel.ws.send(Buffer.from('abc'));
  await world.until(() => got.length);
  assert(got[0] instanceof Blob);
  assert.equal(await got[0].text(), 'abc');
  await finish(world, channel);
});

test('constants, handlers, wrong arguments', async world => {
  const {Channel} = world.globals.weir;
  assert.deepEqual([Channel.CONNECTING, Channel.OPEN, Channel.CLOSING, Channel.CLOSED], [0, 1, 2, 3]);
  const channel = open(world), {ws} = channel;
  assert.equal(ws.OPEN, 1);
  assert.equal(Channel.name, 'Channel');
  await world.until(is_open(channel));
  for (const code of [999, 1001, 2999, 5000, 'x']) assert.throws(() => ws.close(code), /code/);
  assert.throws(() => ws.close(1000, 'ü'.repeat(62)), /reason/);
  assert.equal(ws.readyState, 1);
  await finish(world, channel);
  ws.close();
  ws.send('nothing');
  ws.transports = ['polling'];
  await world.advance(100000);
  assert.equal(world.page_timers, 0);
});

test('a ws: address, and one with a query', async world => {
  const channel = open(world, {transports: ['long-polling']}, 'ws://weir.test:81/chat?room=a%20b');
  assert.equal(channel.ws.url, 'http://weir.test:81/chat?room=a%20b');
  await world.until(is_open(channel));
  assert.match(world.server.requests[0].query, /^\?room=a%20b&ack=0&transport=long-polling$/);
  await finish(world, channel);
});

test('handlers that throw harm nothing', async world => {
  echo(world.server);
  const channel = open(world), {ws} = channel;
  for (const type of ['open', 'transport']) ws.addEventListener(type, () => { throw new Error('the page is wrong'); });
  await world.until(is_open(channel));
  ws.addEventListener('message', () => { throw new Error('the page is wrong'); });
  for (const each of 'abc') ws.send(each);
  await world.until(() => channel.messages.length === 3);
  await finish(world, channel);
  await settle();
  assert(unhandled.length >= 3 && unhandled.every(each => each.message === 'the page is wrong'));
  unhandled.length = 0;
});

test('close before open', async world => {
  const channel = open(world);
  channel.ws.close();
  await world.until(() => channel.closed);
  assert.deepEqual(channel.closed, {code: 1006, reason: '', wasClean: false});
  assert.deepEqual(channel.events, ['error', 'close']);
  await finish(world, channel);
});

on_each('close in the open handler, and in the message handler', transports, async (world, kind) => {
  for (const type of ['open', 'message']) {
    const channel = open(world, {transports: [kind]});
    world.server.on_session = session => { session.send('a'); session.send('b'); };
    channel.ws.addEventListener(type, () => channel.ws.close());
    await world.until(() => channel.closed);
    assert.equal(channel.closed.code, 1000);
    await finish(world, channel);
  }
});

on_each('the server closes', transports, async (world, kind) => {
  const channel = open(world, {transports: [kind]});
  await world.until(is_open(channel));
  world.server.session.send('last words');
  world.server.session.close(4321, 'enough of you');
  await world.until(() => channel.closed);
  assert.deepEqual(channel.closed, {code: 4321, reason: 'enough of you', wasClean: true});
  assert.deepEqual(channel.messages, ['last words']);
  await finish(world, channel);
});

on_each('a close waits for what was sent, a Blob too', transports, async (world, kind) => {
  const channel = open(world, {transports: [kind]});
  await world.until(is_open(channel));
  channel.ws.send(new Blob(['first']));
  for (let i = 0; i < 100; ++i) channel.ws.send('message ' + i);
  channel.ws.close();
  await world.until(() => channel.closed);
  assert.equal(world.server.session.received.length, 101);
  assert.deepEqual(world.server.session.received.slice(0, 2).map(String), ['first', 'message 0']);
  await finish(world, channel);
});

// --- which transport

for (const [name, missing, expected] of [
  ['without WebSocket', ['WebSocket'], 'event-stream'],
  ['with WebSocket only', ['fetch'], 'websocket'],
  ['without document, as a worker', ['document'], 'websocket']])
  test(name, async world => {
    echo(world.server);
    missing.forEach(each => { world.globals[each] = undefined; });
    const channel = open(world);
    await world.until(is_open(channel));
    assert.equal(channel.ws.transport, expected);
    channel.ws.send('here');
    await world.until(() => channel.messages.length);
    await finish(world, channel);
  });

test('with nothing', async world => {
  for (const each of ['WebSocket', 'fetch']) world.globals[each] = undefined;
  const channel = open(world);
  await world.until(() => channel.closed);
  assert.deepEqual(channel.events, ['error', 'close']);
  await finish(world, channel);
});

for (const fault of ['refuse', 'hang', 'mute'])
  test(`a WebSocket is refused, hangs, opens and says nothing: ${fault}`, async world => {
    world.faults.socket = () => fault;
    const channel = open(world), begin = world.now;
    await world.until(is_open(channel));
    assert.equal(channel.ws.transport, 'event-stream');
    assert((fault === 'refuse') === (world.now - begin < 1000) && world.now - begin < 5000, `${world.now - begin} ms`);
    await finish(world, channel);
  });

test('a WebSocket that may not even be tried', async world => {
  world.globals.WebSocket = class { constructor() { throw new Error('the policy of this page'); } };
  const channel = open(world);
  await world.until(is_open(channel));
  assert.equal(channel.ws.transport, 'event-stream');
  await finish(world, channel);
});

test('each transport that is not offered is passed by', async world => {
  for (let from = 1; from < 4; ++from) {
    world.server.offered = transports.slice(from);
    const channel = open(world);
    await world.until(is_open(channel));
    assert.equal(channel.ws.transport, transports[from]);
    await finish(world, channel);
  }
});

test('an event stream that a proxy holds back', async world => {
  world.faults.socket = () => 'refuse';
  world.faults.request = (method, url) => url.searchParams.get('transport') === 'event-stream' && 'hang';
  const channel = open(world);
  await world.until(is_open(channel));
  assert.equal(channel.ws.transport, 'long-polling');
  await finish(world, channel);
});

test('it moves to a WebSocket as soon as that works, and tries it less and less often', async world => {
  echo(world.server);
  world.faults.socket = () => 'refuse';
  const channel = open(world, {transports: ['websocket', 'long-polling']}), {ws} = channel;
  await world.until(is_open(channel));
  const begin = world.now;
  await world.until(() => world.sockets.length === 7, 1e7);
  const expected = 15000 * (1 + 2 + 4 + 8 + 16 + 16);
  assert(Math.abs(world.now - begin - expected) < 1000, `${world.now - begin} ms`);
  world.globals.document.hidden = true;
  const tried = world.sockets.length;
  await world.advance(2000000);
  assert.equal(world.sockets.length, tried, 'hidden, so nobody gains by it');
  world.globals.document.hidden = false;
  delete world.faults.socket;
  let sent = 0;
  const talk = () => { ws.send('message ' + ++sent); world.server.session.send('to you ' + sent); if (sent < 400) world.set(talk, 7); };
  talk();
  world.happen('visibilitychange');
  await world.until(() => sent === 400 && channel.messages.length === 800);
  assert.equal(ws.transport, 'websocket');
  assert.deepEqual(channel.events, ['long-polling', 'open', 'websocket'], 'without a gap');
  assert.deepEqual(world.server.session.received, Array.from({length: 400}, (_, i) => 'message ' + (i + 1)));
  assert.equal(world.server.made, 1);
  await world.advance(100000);
  assert.equal([...world.open_requests].length, 0);
  await finish(world, channel);
});

test('a better transport that opens and is silent costs nothing but time', async world => {
  echo(world.server);
  world.faults.socket = () => 'refuse';
  const channel = open(world, {transports: ['websocket', 'event-stream']});
  await world.until(is_open(channel));
  world.faults.socket = () => 'mute';
  let sent = 0;
  const talk = () => { channel.ws.send('message ' + ++sent); if (sent < 200) world.set(talk, 300); };
  talk();
  await world.until(() => channel.messages.length === 200);
  assert(world.sockets.length >= 3);
  assert.equal(channel.ws.transport, 'event-stream');
  await finish(world, channel);
});

test('the page chooses: from each transport to each other', async world => {
  echo(world.server);
  const channel = open(world), {ws} = channel, sent = [];
  assert.deepEqual([...ws.transports], transports);
  await world.until(is_open(channel));
  for (const from of transports)
    for (const to of transports) {
      for (const kind of [from, to]) {
        ws.transports = [kind];
        for (let i = 0; i < 3; ++i) { sent.push(`${from} ${to} ${i}`); ws.send(sent.at(-1)); }
        await world.until(() => ws.transport === kind);
      }
    }
  await world.until(() => channel.messages.length === sent.length);
  assert.deepEqual(channel.messages, sent);
  assert.equal(world.server.made, 1);
  assert(!channel.events.includes(''));
  await finish(world, channel);
});

test('a request that a WebSocket has overtaken says nothing of the end', async world => {
  echo(world.server);
  const channel = open(world, {transports: ['polling']}), {ws} = channel, {server} = world;
  await world.until(is_open(channel));
  server.post = (url, body, out) => server.session.closed ? (out.begin(404, 'text/plain'), out.write('e404 gone\n'), out.end())
    : Object.getPrototypeOf(server).post.call(server, url, body, out);
  world.faults.request = method => method === 'POST' && 'late';
  ws.send('one');
  const arrives = world.now + 3000;
  await settle();
  ws.transports = ['websocket'];
  await world.until(() => channel.messages.length === 1);
  assert.equal(ws.transport, 'websocket');
  await world.advance(arrives - world.now - 10);
  world.sockets.at(-1).fault = 'mute'; // the close frame alone says that the server has heard of it
  ws.send('two');
  ws.close(1000, 'done');
  await world.until(() => channel.closed);
  assert.deepEqual(channel.closed, {code: 1000, reason: 'done', wasClean: true});
  assert.deepEqual(server.session.received, ['one', 'two']);
  await finish(world, channel);
});

test('the page chooses something that does not work: all goes on as before', async world => {
  echo(world.server);
  world.faults.socket = () => 'refuse';
  const channel = open(world, {transports: ['polling']});
  await world.until(is_open(channel));
  channel.ws.transports = ['websocket'];
  await world.advance(20000);
  channel.ws.send('still here');
  await world.until(() => channel.messages.length);
  assert.equal(channel.ws.transport, 'polling');
  await finish(world, channel);
});

// --- carriers that break

on_each('a carrier that breaks is replaced, nothing is lost or doubled', transports, async (world, kind) => {
  echo(world.server);
  const channel = open(world, {transports: [kind]});
  await world.until(is_open(channel));
  await world.advance(6000);
  for (let i = 0; i < 50; ++i) channel.ws.send('message ' + i);
  await world.advance(8);
  for (const each of world.sockets) each.break();
  for (const each of [...world.open_requests]) each.break('cut');
  for (let i = 50; i < 60; ++i) channel.ws.send('message ' + i);
  await world.until(() => channel.messages.length === 60);
  assert.deepEqual(channel.messages, Array.from({length: 60}, (_, i) => 'message ' + i));
  assert.deepEqual(world.server.session.received, channel.messages);
  if (kind !== 'polling') assert.deepEqual(channel.events, [kind, 'open', '', kind]);
  assert.equal(world.server.made, 1);
  await finish(world, channel);
});

test('a silent WebSocket is given up after twice the heartbeat', async world => {
  echo(world.server);
  const channel = open(world);
  await world.until(is_open(channel));
  await world.advance(2.5 * heartbeat);
  assert.equal(channel.ws.transport, 'websocket');
  world.sockets[0].fault = 'mute';
  const begin = world.now;
  world.server.session.send('lost in the tunnel');
  await world.until(() => channel.messages.length);
  assert(world.now - begin > heartbeat && world.now - begin < 2 * heartbeat + 3000, `${world.now - begin} ms`);
  assert.equal(channel.ws.transport, 'event-stream', 'and is trusted less');
  await world.until(() => channel.ws.transport === 'websocket');
  await finish(world, channel);
});

for (const kind of ['event-stream', 'long-polling'])
  test(`a silent ${kind} is given up after twice the heartbeat`, async world => {
    const channel = open(world, {transports: [kind, 'polling']});
    await world.until(is_open(channel));
    await world.advance(1000);
    for (const each of world.timers.values()) if (!each.of_page) each.at += 1e9; // the server falls asleep
    const begin = world.now;
    await world.until(() => channel.ws.transport === 'polling');
    assert(world.now - begin > heartbeat && world.now - begin < 2 * heartbeat + 3000, `${world.now - begin} ms`);
    await finish(world, channel);
  });

test('WebSockets that die young are not trusted', async world => {
  echo(world.server);
  const channel = open(world);
  await world.until(is_open(channel));
  world.sockets[0].break();
  await world.until(() => channel.ws.transport === 'event-stream');
  await finish(world, channel);
});

on_each('answers that get lost', over_http, async (world, kind) => {
  echo(world.server);
  const chance = randomness(5);
  const channel = open(world, {transports: [kind]});
  await world.until(is_open(channel));
  world.faults.request = () => chance() < 0.4 && 'lost';
  const sent = Array.from({length: 40}, (_, i) => 'message ' + i);
  let next = 0;
  const talk = () => { channel.ws.send(sent[next++]); if (next < sent.length) world.set(talk, 100); };
  talk();
  await world.until(() => channel.messages.length === sent.length);
  assert.deepEqual(channel.messages, sent);
  assert.deepEqual(world.server.session.received, sent);
  delete world.faults.request;
  await finish(world, channel);
});

on_each('requests that arrive twice', over_http, async (world, kind) => {
  echo(world.server);
  const channel = open(world, {transports: [kind]});
  await world.until(is_open(channel));
  world.faults.request = method => method === 'POST' && 'twice';
  const sent = Array.from({length: 30}, (_, i) => 'message ' + i);
  sent.forEach(each => channel.ws.send(each));
  await world.until(() => channel.messages.length === sent.length);
  assert.deepEqual(channel.messages, sent);
  assert.deepEqual(world.server.session.received, sent);
  delete world.faults.request;
  await finish(world, channel);
});

on_each('messages that arrive twice', transports, async (world, kind) => {
  const channel = open(world, {transports: [kind]});
  await world.until(is_open(channel));
  const {session} = world.server;
  for (let i = 0; i < 10; ++i) {
    session.send('message ' + i);
    await world.advance(300);
    session.handed = Math.max(session.acked, session.handed - 2); // and so are told again
  }
  session.wake();
  await world.until(() => channel.messages.length === 10);
  await world.advance(3000);
  assert.deepEqual(channel.messages, Array.from({length: 10}, (_, i) => 'message ' + i));
  await finish(world, channel);
});

on_each('a gap is not taken', transports, async (world, kind) => {
  const channel = open(world, {transports: [kind]});
  await world.until(is_open(channel));
  await world.advance(6000);
  const {session} = world.server;
  session.log.push('one', 'two');
  session.handed = 1; // skips the first
  session.wake();
  await world.until(() => channel.messages.length === 2);
  assert.deepEqual(channel.messages, ['one', 'two']);
  await finish(world, channel);
});

on_each('bytes that come one at a time', over_http, async (world, kind) => {
  echo(world.server);
  world.faults.piece = 1;
  const channel = open(world, {transports: [kind]});
  await world.until(is_open(channel));
  const sent = nasty.filter(each => each.length < 100 && each !== '\ud83d');
  sent.forEach(each => channel.ws.send(each));
  await world.until(() => channel.messages.length === sent.length);
  assert.deepEqual(channel.messages, sent);
  await finish(world, channel);
});

test('an answer that is cut inside of a line is no message', async world => {
  const channel = open(world, {transports: ['polling']});
  await world.until(is_open(channel));
  world.faults.request = (method, url) => ({status: 200, text: 't1 hal'});
  await world.advance(3000);
  assert.deepEqual(channel.messages, []);
  delete world.faults.request;
  world.server.session.send('half or whole');
  await world.until(() => channel.messages.length);
  assert.deepEqual(channel.messages, ['half or whole']);
  await finish(world, channel);
});

test('somebody on the way answers', async world => {
  echo(world.server);
  const channel = open(world, {transports: over_http});
  await world.until(is_open(channel));
  let count = 0;
  const texts = ['<html>\nxyz\n', 'error code: 1020\n', 'an error\n', 'ok\n', 'temporarily gone\nx\n', 'h\n', '', '\n', 'a\n',
    'http\n', 'bad gateway\n'];
  world.faults.request = () => ({status: [200, 502, 404, 403, 500][++count % 5], text: texts[count % texts.length]});
  channel.ws.send('all the same');
  await world.advance(300000);
  assert(count > 30 && count < 2000, `${count} requests`);
  delete world.faults.request;
  await world.until(() => channel.messages.length);
  assert.deepEqual(channel.messages, ['all the same']);
  assert.equal(world.server.made, 1, 'the session is still the same');
  await finish(world, channel);
});

// --- what the server refuses

on_each('a session that the server has forgotten', transports, async (world, kind) => {
  echo(world.server);
  const channel = open(world, {transports: [kind]}), {ws} = channel;
  await world.until(is_open(channel));
  ws.send('before');
  await world.until(() => channel.messages.length === 1);
  await world.until(() => ws.bufferedAmount === 0);
  await world.advance(10000);
  world.server.sessions.clear();
  for (const each of world.sockets) each.break();
  for (const each of [...world.open_requests]) each.break('cut');
  ws.send('never');
  ws.send(Buffer.from('arrived'));
  await world.until(() => channel.events.includes('lost'));
  assert.equal(ws.readyState, 0);
  assert.throws(() => ws.send('x'), /not open/);
  assert.deepEqual(channel.unsent.map(each => String(Buffer.from(each))), ['never', 'arrived']);
  await world.until(is_open(channel));
  assert.equal(ws.bufferedAmount, 0);
  ws.send('after');
  await world.until(() => channel.messages.length === 2);
  assert.deepEqual(channel.messages, ['before', 'after']);
  assert.deepEqual(world.server.session.received, ['after']);
  assert.deepEqual(channel.events.filter(each => each === 'open' || each === 'lost'), ['open', 'lost', 'open']);
  await finish(world, channel);
});

on_each('a server that stops, and comes back', transports, async (world, kind) => {
  const channel = open(world, {transports: [kind]});
  await world.until(is_open(channel));
  world.server.session.send('last words');
  world.server.session.close(1001, 'the server is stopping');
  world.faults.socket = world.faults.request = () => 'refuse';
  await world.advance(20000);
  delete world.faults.socket;
  delete world.faults.request;
  world.server.sessions.clear();
  await world.until(() => world.server.made === 2 && channel.ws.readyState === 1);
  assert.equal(channel.events.filter(each => each === 'lost').length, 1);
  await finish(world, channel);
});

test('close in the lost handler', async world => {
  const channel = open(world);
  await world.until(is_open(channel));
  channel.ws.onlost = () => channel.ws.close();
  world.server.sessions.clear();
  world.sockets[0].break();
  await world.until(() => channel.closed);
  await finish(world, channel);
});

test('sessions that are forgotten at once are not asked for in a loop', async world => {
  const channel = open(world, {transports: ['long-polling']});
  world.server.on_session = session => world.set(() => world.server.sessions.delete(session.id), 1);
  await world.advance(300000);
  assert(world.server.made > 5 && world.server.made < 60, `${world.server.made} sessions`);
  channel.ws.close();
  await world.until(() => channel.closed);
  await finish(world, channel);
});

on_each('messages that are not kept any more: 410', transports, async (world, kind) => {
  const channel = open(world, {transports: [kind]});
  await world.until(is_open(channel));
  await world.advance(10000);
  const {session} = world.server;
  session.log.push('a', 'b', 'c');
  session.handed = session.acked = session.forgotten = 3;
  for (const each of world.sockets) each.break();
  for (const each of [...world.open_requests]) each.break('cut');
  await world.until(() => channel.events.includes('lost'));
  await world.until(is_open(channel));
  assert.equal(world.server.made, 2);
  await finish(world, channel);
});

test('a better transport to which the session is refused is just not better', async world => {
  echo(world.server);
  world.faults.socket = () => 'refuse';
  const channel = open(world, {transports: ['websocket', 'long-polling']});
  await world.until(is_open(channel));
  world.server.refuses = transport => transport === 'websocket';
  delete world.faults.socket;
  await world.until(() => world.sockets.length > 3);
  channel.ws.send('still here');
  await world.until(() => channel.messages.length);
  assert.deepEqual(channel.events, ['long-polling', 'open']);
  await finish(world, channel);
});

test('what follows an end in the same answer is not heard', async world => {
  for (const end of ['e404 gone', 'x1000', 'x1001']) {
    const channel = open(world, {transports: ['polling']});
    await world.until(is_open(channel));
    world.faults.request = () => ({status: 200, text: end + '\nt1 stale\n'});
    await world.until(() => channel.ws.readyState !== 1);
    delete world.faults.request;
    if (end !== 'x1000') await world.until(is_open(channel));
    assert.deepEqual(channel.messages, []);
    await finish(world, channel);
  }
});

on_each('somebody else takes over: 409', transports, async (world, kind) => {
  echo(world.server);
  const channel = open(world, {transports: [kind]});
  await world.until(is_open(channel));
  await world.advance(6000);
  channel.ws.send('hello');
  world.server.session.attach({wake() {}, superseded() {}});
  await world.until(() => channel.messages.length);
  assert.equal(world.server.made, 1);
  await finish(world, channel);
});

test('the server misses a message: 409', async world => {
  for (const kind of transports) {
    const channel = open(world, {transports: [kind]});
    await world.until(is_open(channel));
    await world.advance(6000);
    const {session} = world.server, take = session.take;
    let refused = 0;
    session.take = function(number, data) { return refused++ < 3 ? 'gap' : take.call(this, number, data); };
    channel.ws.send('one');
    channel.ws.send('two');
    await world.until(() => session.received.length === 2);
    assert.deepEqual(session.received, ['one', 'two']);
    await finish(world, channel);
  }
});

test('bodies that are too large: 413, of somebody on the way', async world => {
  const channel = open(world, {transports: ['event-stream']});
  await world.until(is_open(channel));
  const {server} = world, serve = server.serve;
  let most = 5000;
  server.serve = function(method, url, body, out) {
    if (method === 'GET' || body.length <= most) return serve.call(this, method, url, body, out);
    out.begin(413, 'text/html');
    out.write('<html>too large');
    out.end();
  };
  const sent = Array.from({length: 30}, (_, i) => `${i} `.padEnd(1500, 'x'));
  sent.forEach(each => channel.ws.send(each));
  await world.until(() => server.session.received.length === sent.length);
  assert.deepEqual(server.session.received, sent);
  channel.ws.send('y'.repeat(6000));
  await world.until(() => channel.closed);
  assert.equal(channel.closed.code, 1009);
  await finish(world, channel);
});

on_each('a message over the limit is refused where it is sent', transports, async (world, kind) => {
  world.server.limit = 3000;
  const channel = open(world, {transports: [kind]}), {ws} = channel;
  await world.until(is_open(channel));
  for (const each of ['x'.repeat(3000), '\n'.repeat(1500), Buffer.alloc(2300), 'ü'.repeat(1500), new Blob(['x'.repeat(2300)])])
    assert.throws(() => ws.send(each), /too long/);
  ws.send('x'.repeat(2960));
  ws.send(Buffer.alloc(2200));
  ws.send('\n'.repeat(1480));
  await world.until(() => world.server.session.received.length === 3);
  await finish(world, channel);
});

on_each('a message that is too long all the same ends it', transports, async (world, kind) => {
  const channel = open(world, {transports: [kind]});
  await world.until(is_open(channel));
  world.server.limit = 3000; // as if somebody on the way had another one
  channel.ws.send('x'.repeat(4000));
  await world.until(() => channel.closed);
  assert.equal(channel.closed.code, 1009);
  assert.equal(channel.closed.wasClean, false);
  await finish(world, channel);
});

on_each('a server that is busy: 503', transports, async (world, kind) => {
  const channel = open(world, {transports: [kind]});
  world.server.busy = true;
  await world.advance(60000);
  assert.equal(channel.ws.readyState, 0);
  const tried = world.server.requests.length;
  assert(tried > 4 && tried < 15, `${tried} attempts`);
  assert.equal(channel.events.filter(each => each === 'error').length, tried);
  world.server.busy = false;
  await world.until(is_open(channel));
  world.server.full = true;
  for (let i = 0; i < 5; ++i) channel.ws.send('message ' + i);
  await world.advance(20000);
  world.server.full = false;
  await world.until(() => world.server.session.received.length === 5);
  await finish(world, channel);
});

test('503 is not asked about over every transport', async world => {
  const channel = open(world);
  world.server.busy = true;
  await world.advance(200);
  assert.equal(world.server.requests.length, 1);
  world.server.busy = false;
  await world.until(is_open(channel));
  await finish(world, channel);
});

test('what the script says wrong ends it: 400', async world => {
  for (const kind of transports) {
    const channel = open(world, {transports: [kind]});
    await world.until(is_open(channel));
    const {server} = world;
    if (kind === 'websocket') world.sockets.at(-1).onmessage({data: 'e400 no record'});
    else {
      const post = server.post;
      server.post = (url, body, out) => { out.begin(400, 'text/plain'); out.write('a0\ne400 no record\n'); out.end(); };
      channel.ws.send('x');
      await world.until(() => channel.closed);
      server.post = post;
    }
    assert.deepEqual(channel.closed, {code: 1002, reason: 'no record', wasClean: false});
    assert.deepEqual(channel.events.slice(-3), ['', 'error', 'close']);
    await finish(world, channel);
  }
});

// --- time

test('attempts come with jitter, and less and less often', async world => {
  const attempts = [];
  world.faults.request = () => 'refuse';
  world.faults.socket = () => { attempts.push(world.now); return 'refuse'; };
  const channel = open(world);
  await world.advance(200000);
  const gaps = attempts.slice(1).map((at, i) => at - attempts[i]);
  gaps.forEach((gap, i) => {
    const full = 500 * 2 ** Math.min(i, 5);
    assert(gap >= full / 2 && gap <= full + 100, `wait ${i}: ${gap} ms`);
  });
  assert(new Set(gaps.slice(5).map(gap => Math.round(gap))).size > 5, 'chance has its part');
  assert(gaps.length > 12);
  delete world.faults.request;
  delete world.faults.socket;
  world.happen('online');
  const begin = world.now;
  await world.until(is_open(channel));
  assert(world.now - begin < 100, 'it does not wait when it comes online');
  await finish(world, channel);
});

test('attempts get more time after each round that failed', async world => {
  world.faults.request = () => 'hang';
  world.faults.socket = () => 'hang';
  const channel = open(world, {transports: ['websocket', 'long-polling'], timeout: 1000});
  await world.advance(60000);
  const starts = world.sockets.length;
  assert(starts >= 4 && starts <= 8, `${starts} attempts`);
  delete world.faults.socket;
  await world.until(is_open(channel));
  await finish(world, channel);
});

on_each('acknowledged in time', ['websocket', 'event-stream'], async (world, kind) => {
  const channel = open(world, {transports: [kind]});
  await world.until(is_open(channel));
  const {session} = world.server;
  session.send('one');
  await world.advance(500);
  assert.equal(session.acked, 0);
  await world.advance(600);
  assert.equal(session.acked, 1, 'within a second');
  for (let i = 0; i < 32; ++i) session.send('more');
  await world.advance(50);
  assert(session.acked >= 32, `${session.acked}: after 32 messages`);
  await world.until(() => session.acked === 33);
  await world.advance(2000);
  session.send('x'.repeat(32 * 1024));
  await world.advance(50);
  assert.equal(session.acked, 34, 'after 32 KiB');
  const posts = () => world.server.requests.filter(each => each.method === 'POST').length, before = posts();
  await world.advance(4 * heartbeat);
  if (kind === 'event-stream') assert(posts() - before >= 3, 'and at each heartbeat');
  await finish(world, channel);
});

on_each('acknowledged no more often than that', ['websocket', 'event-stream'], async (world, kind) => {
  const channel = open(world, {transports: [kind]});
  await world.until(is_open(channel));
  await world.advance(2000);
  const {session} = world.server, {acknowledge} = session;
  let count = 0;
  session.acknowledge = function(number) { ++count; acknowledge.call(this, number); };
  for (let i = 0; i < 100; ++i) { session.send('x'); await world.advance(100); }
  assert(count >= 9 && count <= 12, `${count} acknowledgements in 10 s`);
  await finish(world, channel);
});

test('an acknowledgement that could not be sent is sent again', async world => {
  const channel = open(world, {transports: ['event-stream']});
  await world.until(is_open(channel));
  let refused = 0;
  world.faults.request = method => method === 'POST' && ++refused < 3 && 'refuse';
  world.server.session.send('one');
  await world.advance(4000);
  assert.equal(world.server.session.acked, 1);
  await finish(world, channel);
});

test('long polls that are answered at once by nothing are not repeated at once', async world => {
  const channel = open(world, {transports: ['long-polling']});
  await world.until(is_open(channel));
  let count = 0;
  world.faults.request = () => ({status: ++count && 200, text: ''});
  await world.advance(60000);
  assert(count > 3 && count < 40, `${count} requests in a minute`);
  delete world.faults.request;
  await finish(world, channel);
});

test('polling asks at its interval, and at once when the page is shown', async world => {
  const channel = open(world, {transports: ['polling'], interval: 5000});
  await world.until(is_open(channel));
  await world.advance(1000);
  const asked = world.server.requests.length;
  await world.advance(20000);
  assert.equal(world.server.requests.length, asked + 4);
  world.server.session.send('now');
  await world.advance(100);
  assert.equal(channel.messages.length, 0);
  world.happen('visibilitychange');
  await world.advance(100);
  assert.equal(channel.messages.length, 1);
  await finish(world, channel);
});

test('a page that is shown again after a sleep connects anew; one that was there does not', async world => {
  const channel = open(world);
  await world.until(is_open(channel));
  await world.advance(10000);
  world.happen('visibilitychange');
  await world.advance(1000);
  assert.equal(world.sockets.length, 1);
  world.globals.document.hidden = true;
  world.now += 1.2 * heartbeat; // timers have not run
  world.sockets[0].fault = 'mute';
  world.server.session.send('while you were asleep');
  world.globals.document.hidden = false;
  world.happen('visibilitychange');
  const begin = world.now;
  await world.until(() => channel.messages.length);
  assert(world.now - begin < 1000);
  await finish(world, channel);
});

on_each('the network changes', transports, async (world, kind) => {
  const channel = open(world, {transports: [kind, ...transports]});
  await world.until(is_open(channel));
  await world.advance(2000);
  const before = world.sockets.length + world.server.requests.length;
  world.happen('offline');
  world.happen('online');
  await world.until(() => world.sockets.length + world.server.requests.length > before && channel.ws.transport);
  assert.equal(world.server.made, 1);
  assert.equal(channel.ws.readyState, 1);
  await finish(world, channel);
});

on_each('a page that is left says so', transports, async (world, kind) => {
  const channel = open(world, {transports: [kind]});
  await world.until(is_open(channel));
  world.happen('pagehide', {persisted: true});
  assert.equal(channel.ws.readyState, 1, 'it may come back');
  channel.ws.send('last words');
  world.happen('pagehide', {persisted: false});
  assert.deepEqual(channel.closed, {code: 1001, reason: '', wasClean: true});
  assert.equal(world.server.session.closed.code, 1001);
  assert.deepEqual(world.server.session.received, ['last words']);
  await finish(world, channel);
});

on_each('a close while nothing works ends in time', transports, async (world, kind) => {
  const channel = open(world, {transports: [kind]});
  await world.until(is_open(channel));
  world.faults.socket = () => 'refuse';
  world.faults.request = () => 'refuse';
  for (const each of world.sockets) each.break();
  for (const each of [...world.open_requests]) each.break('cut');
  await world.advance(500);
  channel.ws.send('alas');
  channel.ws.close();
  const begin = world.now;
  await world.until(() => channel.closed);
  assert(world.now - begin <= 4100, `${world.now - begin} ms`);
  assert.deepEqual(channel.closed, {code: 1006, reason: '', wasClean: false});
  await finish(world, channel);
});

on_each('a close while the carrier is away still arrives', transports, async (world, kind) => {
  const channel = open(world, {transports: [kind]});
  await world.until(is_open(channel));
  await world.advance(10000);
  for (const each of world.sockets) each.break();
  for (const each of [...world.open_requests]) each.break('cut');
  channel.ws.send('one more thing');
  channel.ws.close(3000, 'bye');
  await world.until(() => channel.closed);
  assert.deepEqual(channel.closed, {code: 3000, reason: 'bye', wasClean: true});
  assert.deepEqual(world.server.session.received, ['one more thing']);
  assert.equal(world.server.session.closed.code, 3000);
  await finish(world, channel);
});

on_each('a close whose answer gets lost', over_http, async (world, kind) => {
  const channel = open(world, {transports: [kind]});
  await world.until(is_open(channel));
  let lost = 0;
  world.faults.request = method => method === 'POST' && ++lost < 3 && 'lost';
  channel.ws.send('x');
  channel.ws.close(3000, 'bye');
  await world.until(() => channel.closed);
  assert.deepEqual(channel.closed, {code: 3000, reason: 'bye', wasClean: true});
  await finish(world, channel);
});

test('a Blob that cannot be read', async world => {
  const channel = open(world);
  await world.until(is_open(channel));
  channel.ws.send(Object.assign(new Blob(['gone']), {arrayBuffer: () => Promise.reject(new Error('the file is gone'))}));
  await world.until(() => channel.closed);
  assert.deepEqual(channel.closed, {code: 1006, reason: 'the file is gone', wasClean: false});
  await finish(world, channel);
});

test('much to send goes out as the server takes it', async world => {
  const channel = open(world);
  await world.until(is_open(channel));
  let most = 0;
  const {send} = world.sockets[0];
  world.sockets[0].send = function(data) {
    this.bufferedAmount += data.length;
    most = Math.max(most, this.bufferedAmount);
    world.set(() => { this.bufferedAmount -= data.length; send.call(this, data); }, 20);
  };
  for (let i = 0; i < 100; ++i) channel.ws.send(`${i} `.padEnd(100000, 'x'));
  await world.until(() => world.server.session.received.length === 100);
  assert(most < 1.3e6, `${most} bytes in the WebSocket`);
  await finish(world, channel);
});

// --- everything at once

for (let seed = 1; seed <= 60; ++seed)
  test(`whatever happens, nothing is lost, doubled or overtaken: seed ${seed}`, async world => {
    const chance = randomness(seed * 31 + 7), one_of = all => all[Math.floor(chance() * all.length)];
    let bad = true;
    world.faults.socket = () => bad && chance() < 0.6 ? one_of(['refuse', 'hang', 'mute', 'lose']) : undefined;
    world.faults.request = method => {
      if (!bad || chance() > 0.35) return undefined;
      return one_of(['refuse', 'hang', 'lost', 'late', method === 'POST' ? 'twice' : {status: 502}]);
    };
    world.faults.piece = 1 + Math.floor(chance() * 40);
    const channel = open(world, {transports: chance() < 0.5 ? transports : [...transports].sort(() => chance() - 0.5).slice(0, 2)});
    await world.until(is_open(channel));
    const {session} = world.server, there = [], back = [];
    for (let step = 0; step < 150; ++step) {
      const what = chance();
      const next = all => all.push(chance() < 0.7 ? `${all.length}\n\\` : Buffer.from(`${all.length}`)) && all.at(-1);
      if (what < 0.5) channel.ws.send(next(there));
      if (what > 0.4 && what < 0.9) session.send(next(back));
      if (what > 0.96) one_of([...world.sockets, ...world.open_requests])?.break('cut');
      if (what < 0.01) channel.ws.transports = [one_of(transports), one_of(transports)];
      if (what > 0.2 && what < 0.21) world.happen('online');
      await world.advance(chance() < 0.8 ? chance() * 300 : chance() * 20000);
    }
    bad = false;
    world.sockets.filter(each => each.fault === 'lose').forEach(each => each.break()); // TCP would do so
    await world.until(() => channel.messages.length >= back.length && session.received.length >= there.length);
    assert.deepEqual(channel.messages, back);
    assert.deepEqual(session.received, there);
    await world.until(() => channel.ws.bufferedAmount === 0);
    assert(!channel.events.includes('lost'));
    await finish(world, channel);
  });

(async () => {
  let failed = 0, run = 0;
  for (const {name, body} of tests) {
    if (process.argv[3] && !name.includes(process.argv[3])) continue;
    ++run;
    const world = new World(run);
    world.run(script);
    try {
      await body(world);
      await settle();
      assert.deepEqual(unhandled, []);
    } catch (error) {
      ++failed;
      console.error(`FAILED: ${name}\n${error.stack}\n${world.server.violations.join('\n')}`);
      unhandled.length = 0;
    }
  }
  console.log(`${run - failed} of ${run} tests passed`);
  process.exit(failed || !run ? 1 : 0);
})();

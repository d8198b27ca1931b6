// A browser and a server for tests of weir.js, in virtual time: `World` is what the script finds around it, `Server` speaks the
// envelope of protocol/channel strictly and notes whatever a client does against it, and `faults` is what may go wrong on the way.
'use strict';
require('events').setMaxListeners(0);
const assert = require('assert');
const vm = require('vm');

const turn = () => new Promise(setImmediate);
const settle = async () => { for (let i = 0; i < 6; ++i) await turn(); };
const heartbeat = 25000, keep = 30000;

// The same numbers for the same seed.
function randomness(seed) {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

class Session {
  constructor(server, id) {
    Object.assign(this, {server, id, carrier: null, closed: null, on_message() {}});
    Object.assign(this, {received: [], log: [], acked: 0, handed: 0, forgotten: 0});
  }
  send(data) { // a string, or bytes
    this.log.push(data);
    this.wake();
  }
  close(code, reason = '') {
    this.closed ??= {code, reason};
    this.wake();
  }
  wake() { this.carrier?.wake(); }
  attach(carrier) {
    const before = this.carrier;
    this.carrier = carrier;
    before?.superseded();
  }
  detach(carrier) { if (this.carrier === carrier) this.carrier = null; }
  resume(ack) {
    if (ack > this.log.length || ack < this.forgotten) return false;
    this.handed = Math.max(ack, this.acked); // an acknowledgement may have overtaken this request
    this.acknowledge(ack);
    return true;
  }
  acknowledge(number) {
    if (number > this.handed) this.server.blame(`message ${number} is acknowledged and was never sent`);
    this.acked = Math.max(this.acked, number);
  }
  get last() { return this.received.length; }
  take(number, data) { // 'gap' or not
    if (number > this.last + 1) return 'gap';
    if (number === this.last + 1) {
      if (this.said_goodbye) this.server.blame('a message after x');
      this.received.push(data);
      this.on_message(data);
    }
  }
  end_record() { return `x${this.closed.code}${this.closed.reason && ' ' + this.closed.reason}`; }
}

const escape = text => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r');

class Server {
  constructor(world) {
    Object.assign(this, {world, sessions: new Map(), made: 0, on_session() {}, offered: null, limit: 1048576});
    Object.assign(this, {violations: [], requests: []});
  }
  blame(what) { this.violations.push(what); }
  get session() { return [...this.sessions.values()].at(-1); }

  open() {
    const session = new Session(this, 'S' + String(++this.made).padStart(21, '0'));
    this.sessions.set(session.id, session);
    this.on_session(session);
    return session;
  }
  greeting(session, fresh) {
    return fresh ? `o${session.id} strange=1 heartbeat=${heartbeat} keep=${keep} limit=${this.limit} other` : `r${session.last}`;
  }

  // What a GET or a handshake is about: {session, fresh} or {error}.
  take_up(url, transport) {
    const id = url.searchParams.get('session'), ack = url.searchParams.get('ack');
    if (!/^\d+$/.test(ack)) this.blame('no ack=');
    if (id === '') this.blame('an empty session=');
    if (this.offered && !this.offered.includes(transport)) return {error: 'e403 this transport is not offered here'};
    if (this.busy) return {error: 'e503 there are as many sessions as there may be'};
    if (id === null) return {session: this.open(), fresh: true};
    const session = this.sessions.get(id);
    if (!session) return {error: 'e404 there is no such session'};
    if (this.refuses?.(transport)) return {error: 'e410 messages after that are not kept any more'};
    if (!session.resume(+ack)) return {error: 'e410 messages after that are not kept any more'};
    return {session, fresh: false};
  }
  line(session) { // the next one to be handed out
    const data = session.log[session.handed++];
    return typeof data === 'string' ? `t${session.handed} ${escape(data)}` : `b${session.handed} ${Buffer.from(data).toString('base64')}`;
  }
  lines(session) {
    let text = '';
    while (session.handed < session.log.length) text += this.line(session) + '\n';
    if (session.closed) text += session.end_record() + '\n';
    return text;
  }

  // Answers a request: calls begin(status, type), write(text), end(). `gone` is called when the client goes.
  serve(method, url, body, out) {
    const transport = url.searchParams.get('transport');
    this.requests.push({method, transport, body, at: this.world.now, query: url.search});
    if (method === 'POST') return this.post(url, body, out);
    const {session, fresh, error} = this.take_up(url, transport);
    const answer = (status, text) => { out.begin(status, 'text/plain; charset=utf-8'); out.write(text); out.end(); };
    if (error) return answer(+error.slice(1, 4), error + '\n');
    if (transport === 'event-stream') return this.stream(session, fresh, out);
    if (fresh) return answer(200, this.greeting(session, true) + '\n');
    const carrier = {wake() {}, superseded() {}};
    session.attach(carrier);
    if (transport === 'polling') {
      const text = this.lines(session);
      session.detach(carrier);
      return answer(200, text);
    }
    if (transport !== 'long-polling') return this.blame('transport=' + transport);
    const finish = (status, text) => {
      this.world.clear(timer);
      session.detach(carrier);
      carrier.wake = carrier.superseded = () => {};
      answer(status, text);
    };
    const timer = this.world.set(() => finish(200, 'h\n'), heartbeat);
    carrier.wake = () => { const text = this.lines(session); if (text) finish(200, text); };
    carrier.superseded = () => finish(409, 'e409 another request has taken over\n');
    out.gone = () => { this.world.clear(timer); session.detach(carrier); };
    carrier.wake();
  }
  stream(session, fresh, out) {
    let timer;
    const say = text => {
      this.world.clear(timer);
      timer = this.world.set(() => say('data: h\n\n'), heartbeat);
      out.write(text);
    };
    const over = () => { this.world.clear(timer); session.detach(carrier); out.end(); };
    const carrier = {
      wake: () => {
        while (session.handed < session.log.length) {
          const line = this.line(session);
          say(`id: ${session.handed}\ndata: ${line}\n\n`);
        }
        if (session.closed) { say(`data: ${session.end_record()}\n\n`); over(); }
      },
      superseded: () => { say('data: e409 another request has taken over\n\n'); over(); },
    };
    out.gone = () => { this.world.clear(timer); session.detach(carrier); };
    session.attach(carrier);
    out.begin(200, 'text/event-stream');
    say(`: welcome\nretry: 1000\n\ndata: ${this.greeting(session, fresh)}\n\n`);
    carrier.wake();
  }
  post(url, body, out) {
    const answer = (status, text) => { out.begin(status, 'text/plain; charset=utf-8'); out.write(text); out.end(); };
    if (Buffer.byteLength(body) > this.limit) return answer(413, 'e413 too much\n');
    if (!url.searchParams.get('session')) this.blame('a POST without a session');
    const session = this.sessions.get(url.searchParams.get('session'));
    if (!session) return answer(404, 'e404 there is no such session\n');
    if (!body) this.blame('an empty POST');
    let error = '';
    for (const line of body.split('\n').filter(Boolean)) {
      const [, letter, number, , rest] = /^([a-z])(\d*)( ([^]*))?$/.exec(line) || [];
      if (letter === 't' || letter === 'b') {
        const data = letter === 'b' ? Buffer.from(rest, 'base64')
          : rest.replace(/\\([\\nr])/g, (_, each) => ({'\\': '\\', n: '\n', r: '\r'})[each]);
        if (letter === 't' && escape(data) !== rest) this.blame('escapes: ' + line);
        if (this.full) { error = 'e503 the handler takes nothing'; break; }
        if (session.take(+number, data) === 'gap') { error = `e409 message ${session.last + 1} is missing`; break; }
      } else if (letter === 'a') session.acknowledge(+number);
      else if (letter === 'x') {
        session.said_goodbye = true;
        session.closed ??= {code: +number, reason: rest ?? ''};
      } else if (letter !== 'h') { this.blame('a line: ' + line); error = 'e400 no record'; break; }
    }
    let text = `a${session.last}\n` + (error && error + '\n');
    if (session.closed && !error) text += session.end_record() + '\n';
    answer(error ? +error.slice(1, 4) : session.closed ? 410 : 200, text);
    if (session.closed) session.wake();
  }

  // A WebSocket that was accepted. `socket`: send, close. Gives what is called with what comes in, and at the end.
  accept(url, socket) {
    this.requests.push({method: 'WebSocket', transport: 'websocket', at: this.world.now, query: url.search});
    const {session, fresh, error} = this.take_up(url, 'websocket');
    const refuse = text => { socket.send(text); socket.close(4000 + +text.slice(1, 4), text.slice(5)); };
    if (error) { refuse(error); return {message() {}, gone() {}}; }
    let timer, ack_timer, unacked = 0;
    const say = data => {
      this.world.clear(timer);
      timer = this.world.set(() => say('h'), heartbeat);
      socket.send(data);
    };
    const over = () => { this.world.clear(timer); this.world.clear(ack_timer); session.detach(carrier); };
    const acknowledge = () => { this.world.clear(ack_timer); ack_timer = unacked = 0; say('a' + session.last); };
    const carrier = {
      wake: () => {
        while (session.handed < session.log.length) {
          const data = session.log[session.handed++];
          say(typeof data === 'string' ? `t${session.handed} ${data}` : Buffer.concat([Buffer.from(`b${session.handed} `), data]));
        }
        if (session.closed) { say(session.end_record()); over(); socket.close(session.closed.code, session.closed.reason); }
      },
      superseded: () => { over(); refuse('e409 another connection has taken over'); },
    };
    say(this.greeting(session, fresh));
    session.attach(carrier);
    carrier.wake();
    return {
      message: data => {
        if (session.carrier !== carrier) return;
        const head = typeof data === 'string' ? data : data.subarray(0, 20).toString('latin1');
        const [, letter, number] = /^([a-z])(\d*)( |$)/.exec(head) || [];
        const rest = data.slice(letter?.length + number?.length + 1);
        if (data.length > this.limit) { over(); return socket.close(1009, 'too long'); }
        if (letter === 't' || letter === 'b') {
          if ((letter === 't') !== (typeof data === 'string')) this.blame('the wrong kind of message');
          if (session.take(+number, rest) === 'gap') { over(); return refuse(`e409 message ${session.last + 1} is missing`); }
          if (++unacked >= 32) acknowledge();
          else ack_timer ||= this.world.set(acknowledge, 1000);
        } else if (letter === 'a') session.acknowledge(+number);
        else if (letter === 'x') {
          session.said_goodbye = true;
          session.closed ??= {code: +number, reason: rest};
          carrier.wake();
        } else if (letter !== 'h') this.blame('a record: ' + head);
      },
      gone: over,
    };
  }
}

// What a page finds around it. `faults` decides about each connection: an object with, all optional,
//   socket(url): 'refuse', 'hang', 'mute' (opens and says nothing), 'lose' (what the page sends gets lost)
//   request(method, url): 'refuse', 'hang', 'lost' (the server has it, the answer gets lost), 'twice' (the server has it twice), 'late'
//   piece: how many bytes arrive at a time
class World {
  constructor(seed = 1) {
    Object.assign(this, {now: 1e6, timers: new Map(), next_timer: 0, listeners: new Map(), faults: {}});
    Object.assign(this, {sockets: [], open_requests: new Set()});
    this.random = randomness(seed * 7919);
    this.server = new Server(this);
    const world = this;
    this.globals = {
      EventTarget, Event, URL, Blob, TextDecoder, AbortController, btoa, atob, console, Uint8Array, ArrayBuffer,
      setTimeout: (what, wait) => world.set(what, wait, true), clearTimeout: id => world.clear(id),
      Date: {now: () => world.now}, Math: Object.assign(Object.create(Math), {random: () => world.random()}),
      location: {href: 'http://weir.test/page?x=1#y'}, document: {hidden: false},
      navigator: {sendBeacon: (url, body) => world.beacon(url, body)},
      addEventListener: (type, what) => world.listeners.set(type, [...world.listeners.get(type) || [], what]),
      removeEventListener: (type, what) => world.listeners.set(type, world.listeners.get(type).filter(each => each !== what)),
      fetch: (url, options) => world.fetch(new URL(url), options),
      WebSocket: class { constructor(url) { return world.socket(this, new URL(url)); } },
    };
  }
  run(text) {
    vm.createContext(this.globals);
    vm.runInContext(text, this.globals);
    return this.globals.weir.Channel;
  }
  happen(type, fields) { for (const each of this.listeners.get(type) || []) each({type, ...fields}); }
  get listener_count() { return [...this.listeners.values()].flat().length; }
  get page_timers() { return [...this.timers.values()].filter(each => each.of_page).length; }

  // --- time
  set(what, wait, of_page = false) {
    assert(wait >= 0, `a timer of ${wait} ms`);
    this.timers.set(++this.next_timer, {what, at: this.now + wait, of_page});
    return this.next_timer;
  }
  clear(id) { this.timers.delete(id); }
  async advance(wait) {
    const end = this.now + wait;
    for (await settle(); ; await settle()) {
      let first = null;
      for (const [id, each] of this.timers) if (each.at <= end && (!first || each.at < first.at)) first = {id, ...each};
      if (!first) break;
      this.now = Math.max(this.now, first.at);
      this.timers.delete(first.id);
      first.what();
    }
    this.now = end;
  }
  // Goes on until `done` gives something true, and gives that.
  async until(done, most = 600000) {
    const end = this.now + most;
    for (await settle(); ; await settle()) {
      const found = done();
      if (found) return found;
      const times = [...this.timers.values()].map(each => each.at);
      assert(times.length, 'nothing happens any more, waiting for ' + done);
      assert(this.now <= end, `${most} ms have passed, waiting for ${done}`);
      await this.advance(Math.max(0, Math.min(...times) - this.now));
    }
  }

  // --- requests
  fetch(url, {method = 'GET', body = '', signal}) {
    const fault = this.faults.request?.(method, url);
    return new Promise((resolve, reject) => {
      const pieces = [];
      let wake, over = false, failed = null;
      const request = {
        break: why => {
          if (failed || over && !pieces.length) return;
          failed = new TypeError(why);
          this.open_requests.delete(request);
          out.gone?.();
          reject(failed);
          wake?.();
        },
        method, transport: url.searchParams.get('transport'),
      };
      if (method === 'POST' && [...this.open_requests].some(each => each.method === 'POST')) this.server.blame('two POSTs at once');
      this.open_requests.add(request);
      const out = {
        gone: null,
        begin: (status, type) => {
          if (fault === 'lost') return request.break('the answer was lost');
          resolve({status, ok: status < 300, headers: {get: name => name === 'content-type' ? type : null},
            body: {getReader: () => ({read: async () => {
              while (!pieces.length && !over && !failed) await new Promise(done => { wake = done; });
              if (failed) throw failed;
              return pieces.length ? {done: false, value: pieces.shift()} : {done: true};
            }})}});
        },
        write: text => {
          const bytes = Buffer.from(text), piece = this.faults.piece || bytes.length || 1;
          for (let at = 0; at < bytes.length; at += piece) pieces.push(bytes.subarray(at, at + piece));
          wake?.();
        },
        end: () => { over = true; this.open_requests.delete(request); wake?.(); },
      };
      signal?.addEventListener('abort', () => request.break('aborted'));
      if (fault === 'refuse') return request.break('refused');
      if (fault === 'hang') return;
      if (fault?.status) { // somebody on the way answers
        out.begin(fault.status, 'text/html');
        out.write(fault.text ?? '<html>\nx y\n');
        return out.end();
      }
      const arrive = () => {
        if (failed) return;
        if (fault === 'twice') this.server.serve(method, url, body, {begin() {}, write() {}, end() {}});
        this.server.serve(method, url, body, out);
      };
      this.set(arrive, fault === 'late' ? 3000 : 5);
    });
  }
  beacon(url, body) {
    this.server.serve('POST', new URL(url), body, {begin() {}, write() {}, end() {}});
    return true;
  }

  // --- WebSockets
  socket(self, url) {
    assert.equal(url.protocol, 'ws:');
    const fault = this.faults.socket?.(url);
    let server = null;
    const incoming = [], outgoing = [];
    let busy = false;
    const later = what => this.set(what, 5);
    const end = (code, reason = '', clean = true) => {
      if (self.readyState === 3) return;
      self.readyState = 3;
      server?.gone();
      later(() => self.onclose?.({code, reason, wasClean: clean}));
    };
    Object.assign(self, {
      readyState: 0, bufferedAmount: 0, url: url.href, fault,
      send: data => {
        assert.notEqual(self.readyState, 0, 'send() on a WebSocket that is not open');
        if (self.readyState !== 1 || self.fault === 'lose') return;
        outgoing.push(data);
        drain();
      },
      close: () => {
        if (self.readyState === 0) return end(1006, '', false);
        if (self.readyState === 1) { self.readyState = 2; later(() => end(1005)); }
      },
      break: () => end(1006, '', false),
    });
    const drain = async () => { // in order, though a Blob takes its time
      if (busy) return;
      busy = true;
      while (outgoing.length) {
        const data = outgoing.shift();
        const arrived = data instanceof Blob ? Buffer.from(await data.arrayBuffer()) : data;
        later(() => { if (self.readyState < 3 && self.fault !== 'lose') server?.message(arrived); });
      }
      busy = false;
    };
    const wire = {
      send: data => {
        if (self.fault === 'mute') return;
        incoming.push(data);
        later(() => {
          const each = incoming.shift();
          if (self.readyState !== 1 || self.fault === 'mute') return;
          self.onmessage?.({data: typeof each === 'string' ? each
            : each.buffer.slice(each.byteOffset, each.byteOffset + each.byteLength)});
        });
      },
      close: (code, reason) => later(() => { if (self.readyState < 3) end(code, reason); }),
    };
    this.sockets.push(self);
    if (fault === 'refuse') later(() => end(1006, '', false));
    else if (fault !== 'hang')
      later(() => {
        if (self.readyState) return;
        self.readyState = 1;
        self.onopen?.({});
        server = this.server.accept(url, wire);
      });
    return self;
  }
}

module.exports = {World, settle, randomness, heartbeat};

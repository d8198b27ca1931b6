// weir.js: `weir.Channel`, the browser's side of `server.channel("/chat", handler)`. It has the interface of a WebSocket, and works
// where there is none.
//
//     const ws = new weir.Channel('/chat');
//     ws.onopen = () => ws.send('hello');
//     ws.onmessage = event => console.log(event.data);
//     ws.ontransport = () => badge.textContent = ws.transport || 'reconnecting …';
//
// The transports are, best first: 'websocket', 'event-stream', 'long-polling', 'polling'. It takes the first one that exists and answers
// in time, tries better ones later, and goes over to the next when one breaks early or is silent for twice the heartbeat. A
// session outlives what carries it: messages are numbered and kept until they are acknowledged, so that none is lost or comes twice
// (protocol/channel/README.md is the envelope).
//
// As of a WebSocket: url (always http or https), readyState, binaryType ('blob' or 'arraybuffer'), bufferedAmount (about the bytes that
// the server has not acknowledged; nothing bounds them, so look); send(text, buffer, view or Blob), which throws an Error before
// `open` and for a message that is longer than the server takes; close(code, reason); the events open, message, close and
// error, of which event.message says more. Beyond it:
//   transport    what carries the session; '' while nothing does. readyState stays OPEN then, and what is sent waits.
//   transports   those to be used, best first. Set it at any time: the session moves.
//   `transport`  event: that has changed.
//   `lost`       event: the server has forgotten the session, or stops (1001). readyState is CONNECTING; a new session is on its
//                way and `open` comes again. event.unsent has what was not acknowledged: it may have arrived or not, and is not sent again.
//   `error`      event: nothing has worked in one round through all transports (it goes on trying), or `close` follows. A channel
//                ends by close(), by the server's word, or when a message cannot be sent at all (1009 too long, 1002, 1006).
//
// Options: transports; timeout (4000 ms for an attempt or a request, twice as long after each round that failed, up to eight times);
// interval of polling (1000 ms); probe (15000 ms until a better transport is tried; each failure doubles that, up to 16
// times; not while the page is hidden); retry (500 ms, the wait after the first failure; each one doubles it, up to 32 times, half
// of it is left to chance); credentials (as of fetch; by default those of the page's own host only).
//
// An `online` event makes a new connection, since the old one may be dead; a page that is shown again does so when nothing was heard for
// a heartbeat. A page that is left closes the session with 1001. After `close` no timer or listener is left. Exceptions of
// handlers are the page's and harm nothing. For Chrome and Edge from 80, Firefox from 74, Safari from 14.1, and workers: all have a fetch
// that streams, so an event stream needs no EventSource, which could not tell why it was refused.
//
// A plain script; a module gets it by `import '/weir.js'`, or from weir::browser_module() by name. At any time at most one
// carrier is in use (`current`), one is tried (`candidate`) and one POST is under way (`posting`); others are dead, and whatever
// still comes from them is ignored. browser/script.hpp has this text minified, made by single_include/browser_script.py.
(world => {
  const words = text => text.split(' ');
  const all = words('websocket event-stream long-polling polling'), websocket = 0, event_stream = 1, long_polling = 2, polling = 3;
  const connecting = 0, open = 1, closing = 2, closed = 3;
  const size_of = data => new Blob([data]).size;
  const escaped = text => text.replace(/[\\\n\r]/g, each => '\\' + ({'\n': 'n', '\r': 'r'}[each] || each));
  const unescaped = text => text.replace(/\\(.)/g, (_, each) => ({n: '\n', r: '\r'}[each] || each));
  const {min} = Math;

  class Channel extends EventTarget {
    constructor(url, {transports = all, timeout = 4000, interval = 1000, probe = 15000, retry = 500, credentials} = {}) {
      super();
      const channel = this, timers = {}, base = new URL(url, world.location?.href);
      base.protocol = base.protocol.replace('ws', 'http');

      let state = connecting, transport = '', list; // of the transports that exist, as places in `all`
      let current, candidate, posting;
      let session = '', heartbeat = 25000, limit = Infinity, heard; // when something came
      let queue = [], acked = 0, sent; // queue[0] is the message acked + 1; `sent` of them are on their way on the WebSocket
      let received = 0, owed = 0, owing; // bytes, and 1024 for each message, that are not acknowledged; whether it is time for it
      let first = 0, failures = 0, post_failures = 0, patience = 1, batch; // the most bytes of one POST
      let ending = ''; // the record that ends the session

      const fire = (type, fields) => channel.dispatchEvent(Object.assign(new Event(type), fields));
      const cancel = (name, holder = timers) => holder[name] = clearTimeout(holder[name]);
      const later = (name, wait, what, holder = timers) => {
        cancel(name, holder);
        if (state < closed && !holder.x_dead) holder[name] = setTimeout(() => {
          cancel(name, holder);
          what();
        }, wait);
      };
      const again = wait => later('try', wait, connect);
      const slower = count => timeout * 2 ** min(count, 3);
      const backoff = count => retry * 2 ** min(count, 5) * (1 + Math.random()) / 2;
      const show = name => {
        if (transport !== name) {
          transport = name;
          fire('transport');
        }
      };
      const where = kind => (kind ? base.href : base.href.replace('http', 'ws')) + (base.search ? '&' : '?') + 'ack=' + received +
        (kind < 0 ? '' : '&transport=' + all[kind]) + (session && '&session=' + session);

      // --- the end of carriers, of sessions, and of everything

      const stop = carrier => {
        if (carrier) {
          carrier.x_dead = true;
          cancel('wait', carrier);
          carrier.abort();
          carrier.x_socket?.close();
        }
      };
      const stop_all = () => {
        [current, candidate, posting].forEach(stop);
        current = candidate = posting = null;
        for (const each in timers) cancel(each);
        show('');
      };
      const watch = (carrier, wait) => later('wait', wait, () => lose(carrier, true), carrier);
      const rate = () => {
        ++failures;
        if (current?.x_since < Date.now() - 5000) {
          failures = 0;
          patience = 1;
        }
      };
      const lose = (carrier, silent) => {
        if (carrier.x_dead) return;
        stop(carrier);
        if (carrier === posting) {
          posting = null;
          owing = true;
          later('post', backoff(post_failures++), flush);
        } else if (carrier === current) {
          rate();
          current = null;
          first = carrier.x_at + (silent || failures > 0);
          if (candidate) return; // it has taken over, or says that it has not
          show('');
          again(backoff(failures));
          flush();
        } else {
          candidate = null;
          first = carrier.x_at + 1;
          current?.x_poll?.();
          if (current) return probe_later();
          show('');
          attempt(first);
        }
      };
      const forget = () => {
        if (state === closing) return end(!queue.length);
        const unsent = queue.map(each => each.x_data);
        rate();
        session = '';
        queue = [];
        acked = received = first = post_failures = owed = state = connecting;
        owing = false;
        stop_all();
        again(backoff(failures));
        fire('lost', {unsent});
      };
      const finish = (code, reason, clean) => {
        if (state === closed) return;
        state = closed;
        stop_all();
        listen('remove');
        if (!clean) fire('error', {message: reason});
        fire('close', {code, reason, wasClean: !!clean});
      };
      const end = clean => clean ? finish(+ending.slice(1, 5), ending.slice(6), true) : finish(1006, '');
      const refuse = (carrier, number, sentence) => {
        if (number === 400) finish(1002, sentence);
        else if (number === 413 && !(carrier.x_size > queue[0]?.x_size)) finish(1009, sentence);
        else if (session && (number === 404 || number === 410) && !(current && carrier === candidate)) forget();
        else {
          if (number === 413) batch = carrier.x_size / 2;
          if (number === 503) carrier.x_at = polling;
          lose(carrier);
        }
      };

      // --- records

      const acknowledge = () => {
        owing = true;
        flush();
      };
      const owe = (carrier, bytes) => {
        if (carrier.x_kind > event_stream) return; // the next request says it
        owed += 1024 + bytes;
        if (owed > 31744) acknowledge();
        else if (!timers.ack) later('ack', 900, acknowledge);
      };
      const told = () => {
        owed = 0;
        owing = cancel('ack');
      };
      const record = (carrier, line, payload) => {
        if (carrier.x_dead || !line) return;
        const [, letter, number, rest] = /^([artbxe](?=\d)|o(?=[\w-]{22})|h$)([\w-]*) ?([^]*)/.exec(line) || [], count = +number;
        if (letter === 'o' && !session) {
          session = number;
          const given = Object.fromEntries(words(rest).map(each => each.split('=')));
          heartbeat = +given.heartbeat || heartbeat;
          limit = +given.limit || limit;
          batch = min(limit, 60000);
          up(carrier);
        } else if (letter === 'a' || letter === 'r') {
          const gone = queue.splice(0, count - acked).length;
          acked += gone;
          sent -= min(sent, gone);
          if (letter === 'r') up(carrier);
          if (carrier.x_socket) flush();
        } else if ((letter === 't' || letter === 'b') && count <= received + 1) {
          if (count > received) {
            let data = carrier.x_socket ? rest : unescaped(rest);
            if (letter === 'b') {
              data = payload || Uint8Array.from(atob(rest), each => each.charCodeAt(0)).buffer;
              if (channel.binaryType === 'blob') data = new Blob([data]);
            }
            received = count;
            fire('message', {data, origin: base.origin});
          }
          owe(carrier, line.length + (payload?.byteLength || 0));
        } else if (letter === 'h') owe(carrier, 0);
        else if (letter === 'x') count === 1001 ? forget() : finish(count, rest, true); // the server stops, and may be back
        else if (letter === 'e') refuse(carrier, count, rest);
        else lose(carrier);
      };

      // --- carriers

      const heard_from = carrier => {
        heard = Date.now();
        carrier.x_spoke = true;
        if (carrier !== candidate) watch(carrier, carrier.x_kind < polling ? 2 * heartbeat : slower(failures));
      };
      const up = carrier => {
        if (carrier !== candidate) return;
        if (posting && carrier.x_socket) lose(posting); // what it brings comes by the WebSocket; the session may end before it arrives
        stop(current);
        current = carrier;
        candidate = null;
        first = sent = 0;
        carrier.x_since = Date.now();
        show(all[carrier.x_kind]);
        if (!state) {
          state = open;
          fire('open');
        }
        if (carrier.x_at) probe_later();
        flush();
      };
      const over_socket = async carrier => {
        const socket = carrier.x_socket = new WebSocket(where(websocket));
        socket.binaryType = 'arraybuffer';
        socket.onmessage = ({data}) => {
          if (data.byteLength) {
            const head = new TextDecoder().decode(data.slice(0, 20)).split(' ')[0];
            record(carrier, head, data.slice(head.length + 1));
          } else record(carrier, data);
          heard_from(carrier);
        };
        socket.onclose = ({code, reason}) => {
          const number = code === 1009 ? 413 : code - 4000;
          if (carrier.x_ended && code !== 1006) finish(code, reason, true);
          else if (number > 399 && !carrier.x_dead) refuse(carrier, number, reason);
          else lose(carrier);
        };
      };
      const request = async (carrier, kind, more) => {
        const answer = await fetch(where(kind), {cache: 'no-store', credentials, signal: carrier.signal, ...more});
        if (answer.status === 413 && !carrier.x_dead) refuse(carrier, 413, '');
        if (answer.ok && session && kind > event_stream) up(carrier);
        const reader = answer.body.getReader(), decoder = new TextDecoder();
        for (let rest = ''; !carrier.x_dead;) {
          const {done, value} = await reader.read();
          if (done) break;
          const lines = (rest + decoder.decode(value, {stream: true})).split(/\r?\n/);
          rest = lines.pop();
          lines.forEach(each => record(carrier, each.replace(/^data: ?|^(id|event|retry)?:.*/, '')));
          heard_from(carrier);
        }
        if (!answer.ok) lose(carrier);
      };
      const over_http = async carrier => {
        const kind = carrier.x_kind;
        do {
          // A held request says nothing of whether it works: what takes a session up asks once, and is answered at once.
          const asks = session && carrier === candidate && kind === long_polling;
          carrier.x_spoke = asks || kind === polling;
          await request(carrier, asks ? polling : kind);
          if (!carrier.x_spoke) break;
          // Nor is another request made while something better is tried: whichever came second would take over.
          if (carrier === current && (candidate || kind === polling))
            await new Promise(done => later('wait', interval, carrier.x_poll = done, carrier));
          heard_from(carrier);
        } while (carrier === current && kind > event_stream);
        lose(carrier);
      };
      const attempt = at => {
        if (at < list.length) {
          const carrier = candidate = Object.assign(new AbortController(), {x_kind: list[at], x_at: at});
          watch(carrier, slower(failures));
          (carrier.x_kind ? over_http : over_socket)(carrier).catch(() => lose(carrier));
        } else {
          first = 0;
          again(backoff(failures++));
          fire('error', {message: 'none works'});
        }
      };
      const connect = () => { // or, where a transport is in use, tries a better one
        const exist = [world.WebSocket, world.fetch, world.fetch, world.fetch];
        list = transports.map(name => all.indexOf(name)).filter(kind => exist[kind]);
        if (!list.length) finish(1006, 'no transport');
        else if (current && world.document?.hidden) probe_later();
        else if (!candidate && current?.x_at !== 0) attempt(first < min(list.length, current?.x_at || 9) ? first : 0);
      };
      const probe_later = () => {
        again(probe * patience);
        patience = min(patience * 2, 16);
      };

      // --- sending

      const flush = () => {
        const socket = current?.x_socket;
        if (!socket) return post();
        if (owing) {
          socket.send('a' + received);
          told();
        }
        for (let each; (each = queue[sent]) && socket.bufferedAmount < 1e6;) {
          const head = each.x_letter + (acked + ++sent) + ' ';
          socket.send(each.x_letter === 't' ? head + each.x_data : new Blob([head, each.x_data]));
        }
        if (ending && !current.x_ended && !queue[sent]) {
          current.x_ended = true;
          socket.send(ending);
        }
      };
      const compose = carrier => { // the body of a POST
        let body = owing ? 'a' + received + '\n' : '', number = acked;
        carrier.x_size = 0;
        for (const each of queue) {
          if (each.x_waits || carrier.x_size && carrier.x_size + each.x_size > batch) return body;
          carrier.x_size += each.x_size;
          body += each.x_letter + ++number + ' ' + (each.x_letter === 't' ? escaped(each.x_data)
            : btoa(each.x_data.reduce((text, code) => text + String.fromCharCode(code), ''))) + '\n';
        }
        carrier.x_ended = ending;
        return body + ending;
      };
      const post = () => {
        const carrier = new AbortController();
        const body = session && !posting && !timers.post && (current || ending) && compose(carrier);
        if (!body) return;
        posting = carrier;
        watch(carrier, slower(post_failures));
        told();
        request(carrier, -1, {method: 'POST', body}).then(() => {
          if (carrier.x_dead) return;
          stop(carrier);
          posting = null;
          post_failures = 0;
          if (carrier.x_ended) end(true);
          else flush();
        }, () => lose(carrier));
      };
      channel.send = data => {
        if (!state) throw Error('not open');
        if (state > open) return;
        const blob = data?.arrayBuffer, text = !blob && !(data?.byteLength >= 0);
        if (text) data += '';
        const each = {
          x_letter: text ? 't' : 'b',
          x_waits: blob,
          x_data: text || blob ? data : new Uint8Array(data.buffer || data, data.byteOffset, data.byteLength).slice(),
          x_size: 40 + (text ? size_of(escaped(data)) : size_of(data) * 4 / 3),
        };
        if (each.x_size > limit) throw Error('too long');
        queue.push(each);
        if (blob) data.arrayBuffer().then(bytes => {
          each.x_data = new Uint8Array(bytes);
          each.x_waits = false;
          flush();
        }, ({message}) => finish(1006, message));
        else flush();
      };
      channel.close = (code = 1000, reason = '') => {
        if (!(code === 1000 || code > 2999 && code < 5000)) throw Error('code: 1000, 3000-4999');
        if (size_of(reason) > 123) throw Error('reason: over 123 bytes');
        if (state > open) return;
        state = closing;
        ending = 'x' + code + ' ' + reason;
        later('end', session && timeout, end);
        flush();
      };

      // --- what happens to the page

      const listen = verb => words('online pagehide visibilitychange').forEach(type => world[verb + 'EventListener']?.(type, woken));
      const woken = ({type, persisted}) => {
        const online = type === 'online';
        if (type === 'pagehide') {
          if (persisted || !session) return;
          navigator.sendBeacon(where(-1), compose({}) + 'x1001');
          finish(1001, '', true);
        } else if (online || !document.hidden) {
          failures = -1;
          patience = 1;
          if (current && (online || heard < Date.now() - heartbeat)) lose(current);
          failures = 0;
          current?.x_poll?.();
          again(0);
        }
      };
      listen('add');

      words('open message close error transport lost').forEach(
        type => channel.addEventListener(type, event => channel['on' + type]?.(event)));
      channel.binaryType = 'blob';
      Object.defineProperties(channel, {
        url: {value: base.href},
        readyState: {get: () => state},
        transport: {get: () => transport},
        transports: {
          get: () => transports,
          set: names => {
            transports = names;
            stop(candidate);
            candidate = null;
            first = 0;
            if (current) current.x_at = 9;
            again(0);
          },
        },
        bufferedAmount: {get: () => queue.reduce((sum, each) => sum + each.x_size, 0)},
      });
      again(0);
    }
  }
  words('CONNECTING OPEN CLOSING CLOSED').forEach((name, value) => Channel[name] = Channel.prototype[name] = value);
  world.weir = {...world.weir, Channel};
})(globalThis);
